//! The CPU encoder against the plain reference on random models of odd shapes, of the families
//! and of any architecture: each dtype and level of instructions that this processor has.

#[path = "common/cases.rs"]
mod cases;
#[path = "common/random_architecture.rs"]
mod random_architecture;
#[path = "common/random_model.rs"]
mod random_model;

use nearwise::encoder::{
    Backend, Call, CpuBackend, Dtype, Level, OpenDevice, PlainBackend, Priority,
};
use proptest::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use random_architecture::{architectures, made, poolings};
use random_model::{
    Family, Random, Shape, VOCABULARY, cosine, least, model, shapes, slices, texts,
};

fn levels() -> Vec<Level> {
    Level::ALL.into_iter().filter(|l| l.available()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases::cases(40), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_level_computes_what_the_reference_does(shape in shapes(), seed in any::<u64>()) {
        let model = model(shape, seed, |_, _| {});
        let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(seed ^ 1));
        let texts = texts(&mut random, shape.longest);
        let dim = shape.heads * shape.head_dim;
        // The reference one by one, so that padding has no part in it.
        let plain = PlainBackend::load(&model.files, &model.config, OpenDevice::cpu()).unwrap();
        let expected: Vec<f32> =
            slices(&texts).into_iter().flat_map(|t| plain.forward(&[t], &Call::default()).unwrap()).collect();
        let (exact, error) = (0.999_999, 1e-4);
        for level in levels() {
            for (dtype, bound) in [(Dtype::F32, exact), (Dtype::Bf16, 0.999), (Dtype::Int8, 0.99)] {
                let own = CpuBackend::load_for(&model.files, &model.config, dtype, level).unwrap();
                let got = own.forward(&slices(&texts), &Call::default()).unwrap();
                let cosine = least(&expected, &got, dim);
                prop_assert!(cosine > bound, "{level:?} {dtype:?}: {cosine}");
                if dtype == Dtype::F32 {
                    for (a, b) in expected.iter().zip(&got) {
                        prop_assert!((a - b).abs() < error, "{level:?}: {a} {b}");
                    }
                }
            }
        }
    }

    /// Also architectures that no family has: any norms, places, reaches, groups of heads, gates.
    #[test]
    fn every_level_interprets_any_architecture_alike(
        architecture in architectures(),
        pooling in poolings(),
        seed in any::<u64>(),
    ) {
        let model = made(&architecture, pooling, seed);
        let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(seed ^ 1));
        let texts = texts(&mut random, architecture.longest);
        let dim = architecture.hidden;
        let plain = PlainBackend::load(&model.files, &model.config, OpenDevice::cpu()).unwrap();
        let expected: Vec<f32> =
            slices(&texts).into_iter().flat_map(|t| plain.forward(&[t], &Call::default()).unwrap()).collect();
        // Padded with others, the reference gives the same.
        let together = plain.forward(&slices(&texts), &Call::default()).unwrap();
        prop_assert!(least(&expected, &together, dim) > 0.999_999);
        for level in levels() {
            for (dtype, bound) in [(Dtype::F32, 0.999_999), (Dtype::Bf16, 0.98), (Dtype::Int8, 0.8)] {
                let own = CpuBackend::load_for(&model.files, &model.config, dtype, level).unwrap();
                let got = own.forward(&slices(&texts), &Call::default()).unwrap();
                // Random weights may put a text where rounding is amplified; the mean of texts shows a
                // mistake all the same.
                let cosine = if dtype == Dtype::F32 {
                    least(&expected, &got, dim)
                } else {
                    let pairs = expected.chunks(dim).zip(got.chunks(dim));
                    pairs.map(|(a, b)| cosine(a, b)).sum::<f64>() / texts.len() as f64
                };
                prop_assert!(cosine > bound, "{level:?} {dtype:?}: {cosine}");
                if level == Level::best() {
                    for (text, expected) in texts.iter().zip(got.chunks(dim)) {
                        prop_assert_eq!(own.forward(&[text], &Call::default()).unwrap(), expected);
                    }
                }
            }
        }
    }

    /// Not by a bit: in another order, one by one, repeated, on another number of threads.
    #[test]
    fn vectors_do_not_depend_on_the_batch_or_the_threads(shape in shapes(), seed in any::<u64>()) {
        let model = model(shape, seed, |_, _| {});
        let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(seed ^ 2));
        let texts = texts(&mut random, shape.longest);
        let dim = shape.heads * shape.head_dim;
        for dtype in Dtype::CPU {
            let own = CpuBackend::load(&model.files, &model.config, dtype).unwrap();
            let expected = own.forward(&slices(&texts), &Call::default()).unwrap();
            for threads in [1, 3] {
                let own = own.clone().on_threads(Some(threads));
                let mut turned = slices(&texts);
                turned.rotate_left(3);
                turned.extend(slices(&texts));
                let mut got = own.forward(&turned, &Call::default()).unwrap();
                prop_assert_eq!(&got.split_off(texts.len() * dim), &expected);
                got.rotate_right(3 * dim);
                prop_assert_eq!(&got, &expected);
                for (text, expected) in texts.iter().zip(expected.chunks(dim)) {
                    prop_assert_eq!(own.forward(&[text], &Call::default()).unwrap(), expected);
                }
            }
            // All at once from many threads, queries among bulk work, so that texts of several
            // calls meet in one run.
            let own = own.clone().on_threads(Some(2));
            std::thread::scope(|scope| {
                for caller in 0..6 {
                    let (own, texts, expected) = (&own, &texts, &expected);
                    scope.spawn(move || {
                        let priority = if caller % 2 == 0 { Priority::Query } else { Priority::Bulk };
                        let call = Call { priority, ..Call::default() };
                        for round in 0..4 {
                            if caller == 1 {
                                assert_eq!(&own.forward(&slices(texts), &call).unwrap(), expected);
                            } else {
                                let i = (caller + round) % texts.len();
                                let got = own.forward(&[&texts[i]], &call).unwrap();
                                assert_eq!(got, expected[i * dim..(i + 1) * dim]);
                            }
                        }
                    });
                }
            });
        }
    }
}

const SMALL: Shape = Shape {
    family: Family::Bert,
    heads: 2,
    head_dim: 16,
    intermediate: 48,
    layers: 1,
    longest: 20,
    activation: "gelu",
};

#[test]
fn no_text_and_a_text_of_no_tokens() {
    let model = model(SMALL, 1, |_, _| {});
    for dtype in Dtype::CPU {
        let own = CpuBackend::load(&model.files, &model.config, dtype).unwrap();
        assert!(own.forward(&[], &Call::default()).unwrap().is_empty());
        let alone = own.forward(&[&[5, 6]], &Call::default()).unwrap();
        let both = own.forward(&[&[], &[5, 6]], &Call::default()).unwrap();
        assert_eq!(both[..32], [0.0; 32]);
        assert_eq!(both[32..], alone);
    }
}

#[test]
fn what_does_not_fit_the_model_is_refused() {
    let model = model(SMALL, 2, |_, _| {});
    let own = CpuBackend::load(&model.files, &model.config, Dtype::F32).unwrap();
    assert!(own.forward(&[&[3; 20]], &Call::default()).is_ok());
    let long = own
        .forward(&[&[3; 21]], &Call::default())
        .unwrap_err()
        .to_string();
    assert!(long.contains("21 tokens"), "{long}");
    let unknown = own
        .forward(&[&[VOCABULARY as u32]], &Call::default())
        .unwrap_err()
        .to_string();
    assert!(unknown.contains("below 61"), "{unknown}");
    for level in Level::ALL.into_iter().filter(|l| !l.available()) {
        let loaded = CpuBackend::load_for(&model.files, &model.config, Dtype::F32, level);
        assert!(loaded.unwrap_err().to_string().contains(level.name()));
    }
}

/// One value of any tensor that is no finite number.
#[test]
fn weights_that_are_no_numbers_are_refused() {
    let tensors = [
        "embeddings.word_embeddings.weight",
        "embeddings.token_type_embeddings.weight",
        "encoder.layer.0.attention.self.key.bias",
        "encoder.layer.0.intermediate.dense.weight",
        "encoder.layer.0.output.LayerNorm.weight",
    ];
    for (name, value) in tensors
        .into_iter()
        .zip([f32::NAN, f32::INFINITY].into_iter().cycle())
    {
        let model = model(SMALL, 3, |tensor, values| {
            if tensor == name {
                values[7] = value;
            }
        });
        for dtype in Dtype::CPU {
            let refused = CpuBackend::load(&model.files, &model.config, dtype)
                .unwrap_err()
                .to_string();
            assert!(
                refused.contains("NaN or infinite") && refused.contains(name),
                "{refused}"
            );
        }
    }
}

/// The sizes of base and large models.
#[test]
fn hidden_sizes_of_768_and_1024() {
    for (family, heads) in [(Family::Mpnet, 12), (Family::Roberta, 16)] {
        let shape = Shape {
            family,
            heads,
            head_dim: 64,
            intermediate: 4 * 64 * heads,
            ..SMALL
        };
        let model = model(shape, 6, |_, _| {});
        let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(7));
        let texts = texts(&mut random, 20);
        let plain = PlainBackend::load(&model.files, &model.config, OpenDevice::cpu()).unwrap();
        let expected = plain.forward(&[&texts[0]], &Call::default()).unwrap();
        for (dtype, bound) in [
            (Dtype::F32, 0.999_999),
            (Dtype::Bf16, 0.999),
            (Dtype::Int8, 0.99),
        ] {
            let own = CpuBackend::load(&model.files, &model.config, dtype).unwrap();
            let got = own.forward(&slices(&texts), &Call::default()).unwrap();
            let cosine = cosine(&expected, &got[..expected.len()]);
            assert!(cosine > bound, "{family:?} {dtype:?}: {cosine}");
        }
    }
}

/// Sums of quantised products are whole numbers, so that levels differ only in what is f32.
#[test]
fn levels_agree_on_int8() {
    let shape = Shape {
        longest: 64,
        layers: 2,
        intermediate: 96,
        ..SMALL
    };
    let model = model(shape, 4, |_, _| {});
    let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(5));
    let texts = texts(&mut random, 64);
    let outputs: Vec<Vec<f32>> = levels()
        .into_iter()
        .map(|level| {
            let own =
                CpuBackend::load_for(&model.files, &model.config, Dtype::Int8, level).unwrap();
            own.forward(&slices(&texts), &Call::default()).unwrap()
        })
        .collect();
    for output in &outputs {
        assert!(
            least(&outputs[0], output, 32) > 0.999,
            "{}",
            least(&outputs[0], output, 32)
        );
    }
}
