//! The interpreter of a description against the plain reference: any architecture, and each family.

use super::super::families::{EMBEDDING, distance};
use super::super::forward::{Arena, unsupported};
use super::super::random_architecture::{Made, architectures, made, poolings};
use super::super::weights;
use super::*;
use crate::encoder::{DtypeChoice, OpenDevice, PlainBackend};
use crate::model::architecture::{Architecture, Place, Pooling};
use crate::model::tokens;
use std::path::Path;

fn on_twin(files: &ModelFiles, config: &Config, number: GpuDtype) -> CudaBackend {
    let opener = opener(vec![GIB], Arc::default());
    CudaBackend::load(files, config, &[0], opener, number).unwrap()
}

/// The distances that vectors may have to the reference's. One of 0.0045 is a cosine of 0.99999.
/// Random weights let rounding grow more than trained ones do.
const BOUNDS: [(GpuDtype, f64); 3] = [
    (GpuDtype::F32, 1e-3),
    (GpuDtype::F16, 0.03),
    (GpuDtype::Bf16, 0.2),
];

/// Heads of a size that the matrix units' kernel takes.
fn with_heads(mut architecture: Architecture, head_dim: Option<usize>) -> Architecture {
    let Some(head_dim) = head_dim else {
        return architecture;
    };
    for block in &mut architecture.blocks {
        let a = &mut block.attention;
        a.head_dim = head_dim;
        a.scale = 1.0 / (head_dim as f64).sqrt();
        if let Place::Rotary(rotary) = &mut a.place {
            rotary.frequencies.truncate(head_dim / 2);
        }
    }
    architecture
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases::cases(12), failure_persistence: None, ..ProptestConfig::default() })]

    /// Also architectures that no family has: any norms, places, reaches, groups of heads, gates.
    #[test]
    fn any_architecture_gets_the_vectors_of_the_reference(
        architecture in architectures(),
        head_dim in prop_oneof![
            3 => Just(None), 1 => Just(Some(32usize)), 1 => Just(Some(64)), 1 => Just(Some(128)),
        ],
        pooling in poolings(),
        seed in any::<u64>(),
    ) {
        let architecture = with_heads(architecture, head_dim);
        let Made { files, config, .. } = &made(&architecture, pooling, seed);
        let mut random = random(seed ^ 1);
        let texts = texts(&mut random, architecture.longest);
        let texts = slices(&texts);
        let dim = architecture.hidden;
        let plain = PlainBackend::load(files, config, OpenDevice::cpu()).unwrap();
        let expected = plain.forward(&texts, &Call::default()).unwrap();
        for (number, bound) in BOUNDS {
            let twin = on_twin(files, config, number);
            let got = twin.forward(&texts, &Call::default()).unwrap();
            prop_assert_eq!(got.len(), expected.len());
            for (i, (g, e)) in got.chunks(dim).zip(expected.chunks(dim)).enumerate() {
                let far = distance(g, e);
                prop_assert!(far < bound, "{number:?} text {i} of {}: {far:e}", texts[i].len());
            }
            if number == GpuDtype::F16 {
                // Alone a vector is the same to the bit.
                let i = random.below(texts.len());
                let alone = twin.forward(&texts[i..=i], &Call::default()).unwrap();
                prop_assert_eq!(&alone, &got[i * dim..(i + 1) * dim]);
            }
        }
    }

    /// What a batch is said to take is what its buffers take.
    #[test]
    fn memory_is_counted_as_it_is_taken(architecture in architectures(), seed in any::<u64>()) {
        let Made { files, config, .. } = &made(&architecture, Pooling::Mean, seed);
        let checkpoint = Checkpoint::open(files, config).unwrap();
        for number in NUMBERS {
            let (shape, _) = weights::read(&checkpoint, &[Pooling::Mean], number).unwrap();
            let mut twin = Twin::new(0, GIB);
            let arena = Arena::new(&mut twin, &shape, 48).unwrap();
            let taken = GIB - twin.free_memory().unwrap();
            prop_assert_eq!(taken, 48 * Arena::row_bytes(&shape));
            drop(arena);
        }
    }
}

/// The families' tiny models that embed texts.
fn families() -> Vec<(&'static str, ModelFiles, Config)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families");
    let one = |name: &'static str| {
        let files = super::super::random_model::files(&folder.join(name));
        let config = Config::load(&files).unwrap();
        (name, files, config)
    };
    EMBEDDING.into_iter().map(one).collect()
}

/// The token ids of a family's texts, which HF transformers made; of every other text the first few
/// are left out of the pooling.
fn ids(files: &ModelFiles) -> Vec<Vec<u32>> {
    let path = files.folder.join("expected.json");
    let cases: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let ids = cases.as_array().unwrap().iter().enumerate();
    let ids = ids.map(|(number, case)| {
        let ids = case["ids"].as_array().unwrap().iter();
        let mut ids: Vec<u32> = ids.map(|id| id.as_u64().unwrap() as u32).collect();
        tokens::leave_out(&mut ids, number % 2 * number);
        ids
    });
    ids.collect()
}

#[test]
fn each_family_gets_the_vectors_of_the_reference() {
    for (name, files, config) in families() {
        let plain = PlainBackend::load(&files, &config, OpenDevice::cpu()).unwrap();
        let texts = ids(&files);
        let texts = slices(&texts);
        let expected = plain.forward(&texts, &Call::default()).unwrap();
        let dim = expected.len() / texts.len();
        for (number, bound) in [
            (GpuDtype::F32, 3e-5),
            (GpuDtype::F16, 0.01),
            (GpuDtype::Bf16, 0.06),
        ] {
            let twin = on_twin(&files, &config, number);
            let got = twin.forward(&texts, &Call::default()).unwrap();
            for (i, (g, e)) in got.chunks(dim).zip(expected.chunks(dim)).enumerate() {
                let far = distance(g, e);
                assert!(far < bound, "{name} {number:?} text {i}: {far:e}");
            }
        }
    }
}

#[test]
fn each_familys_recorded_work_is_done_with_new_texts() {
    for (name, files, config) in families() {
        let checkpoint = Checkpoint::open(&files, &config).unwrap();
        let poolings = [config.head.pooling];
        let (shape, weights) = weights::read(&checkpoint, &poolings, GpuDtype::Bf16).unwrap();
        let open = || {
            let twin = Twin::new(0, GIB);
            let watch = twin.watch.clone();
            let executor = Executor::new(Box::new(twin), &shape, &weights, 16_384).unwrap();
            (executor, watch)
        };
        let ((mut recording, watch), (mut plain, _)) = (open(), open());
        let texts = ids(&files);
        let text = &texts[0];
        for round in 0..6 {
            let mut turned = text.clone();
            turned.rotate_left(round % text.len());
            recording.submit(&[&turned]).unwrap();
            let got = recording.collect().unwrap().unwrap();
            // In another shape, so that nothing is recorded.
            let others = vec![turned.as_slice(); round + 1];
            plain.submit(&others).unwrap();
            let expected = plain.collect().unwrap().unwrap();
            assert_eq!(got, expected[..got.len()], "{name} round {round}");
        }
        assert!(watch.lock().unwrap().replayed > 0, "{name}");
    }
}

#[test]
fn the_vectors_of_several_poolings_stand_behind_each_other() {
    let (_, files, config) = families().swap_remove(0);
    let checkpoint = Checkpoint::open(&files, &config).unwrap();
    let texts = ids(&files);
    let texts = slices(&texts);
    let hidden = config.described.architecture.hidden;
    let vectors = |poolings: &[Pooling]| {
        let (shape, weights) = weights::read(&checkpoint, poolings, GpuDtype::F32).unwrap();
        let twin = Box::new(Twin::new(0, GIB));
        let mut executor = Executor::new(twin, &shape, &weights, 16_384).unwrap();
        executor.submit(&texts).unwrap();
        executor.collect().unwrap().unwrap()
    };
    let both = vectors(&[Pooling::Cls, Pooling::Weighted]);
    let (first, second) = (vectors(&[Pooling::Cls]), vectors(&[Pooling::Weighted]));
    let expected = first.chunks(hidden).zip(second.chunks(hidden));
    let expected: Vec<f32> = expected.flat_map(|(a, b)| [a, b].concat()).collect();
    assert_eq!(both, expected);
}

/// Models like BERT take the launches that they took before other families could be computed.
#[test]
fn a_bert_like_model_takes_no_more_launches_than_its_parts() {
    let (mut executor, watch) = executor(&small_model(), GIB);
    executor.submit(&[&[2, 3, 4]]).unwrap();
    executor.collect().unwrap();
    let layer = ["attention_short_f16_32", "add_norm_f16_1", "add_norm_f16_1"];
    let mut expected = vec!["embed_f16_1"];
    expected.extend([layer, layer].concat());
    expected.push("pool_f16");
    assert_eq!(watch.lock().unwrap().launched, expected);
}

#[test]
fn what_the_kernels_do_not_compute_is_named_before_weights_are_read() {
    let model = small_model();
    let refused = |change: fn(&mut Architecture)| {
        let mut config = model.config.clone();
        change(&mut config.described.architecture);
        let opener = opener(vec![GIB], Arc::default());
        let outcome = CudaBackend::load(&model.files, &config, &[0], opener, GpuDtype::F16);
        let error = outcome.err().unwrap();
        assert_eq!(error.kind(), crate::error::ErrorKind::Device);
        error.to_string()
    };
    let error = refused(|a| a.hidden = 4100);
    assert!(
        error.contains("its hidden size of 4100 is above 4096"),
        "{error}"
    );
    let error = refused(|a| a.blocks[1].attention.head_dim = 257);
    assert!(
        error.contains("its heads of 257 numbers are above 256"),
        "{error}"
    );
    let error = refused(|a| a.blocks[1].attention.kv_heads = 2);
    assert!(
        error.contains("do not share 2 heads of keys evenly"),
        "{error}"
    );
    let error = refused(|a| {
        a.blocks[0].attention.place = Place::Alibi;
        a.blocks[1].attention.heads = 2;
    });
    assert!(error.contains("its blocks differ in heads"), "{error}");
    for (name, _, config) in families() {
        assert_eq!(unsupported(&config.described.architecture), None, "{name}");
    }
}

#[test]
fn numbers_that_f16_does_not_hold_are_not_computed_in_f16_by_default() {
    use DtypeChoice::{Auto, Like, Only};
    let number = |name: &str, choice| {
        let (_, config, _) = opened(&tiny(name));
        super::super::number(choice, &config.described.architecture)
    };
    for (choice, usual, gemma) in [
        (Auto, GpuDtype::F16, GpuDtype::Bf16),
        (Only(Dtype::F16), GpuDtype::F16, GpuDtype::F16),
        (Only(Dtype::Bf16), GpuDtype::Bf16, GpuDtype::Bf16),
        (Only(Dtype::F32), GpuDtype::F32, GpuDtype::F32),
        (Like(Dtype::F32), GpuDtype::F16, GpuDtype::F32),
        (Like(Dtype::F16), GpuDtype::F16, GpuDtype::F32),
        (Like(Dtype::Bf16), GpuDtype::Bf16, GpuDtype::Bf16),
    ] {
        for name in [
            "tiny-bert",
            "families/modernbert",
            "families/qwen3-embedding",
        ] {
            assert_eq!(number(name, choice), usual, "{name} {choice:?}");
        }
        let name = "families/embeddinggemma";
        assert_eq!(number(name, choice), gemma, "{choice:?}");
    }
}
