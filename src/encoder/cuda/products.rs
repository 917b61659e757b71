//! Matrix products with their bias and activation, and the way back where a device fuses neither.

use super::forward::ACTIVATIONS;
use super::gpu::{Args, Asked, Epilogue, Gpu, GpuError, GpuResult, Launch, Multiply};
use crate::model::architecture::Activation;

/// Threads of a block of what finishes a product, a number each; `rows.cu`.
const FINISH_THREADS: usize = 256;

/// By how much one of several ways must be faster than the first, so that chance does not decide.
const FASTER: f32 = 0.97;
/// Times that ways are timed; the least time of each counts.
const ROUNDS: usize = 2;
/// By how much a way may be slower than the fastest to be timed again.
const HOPELESS: f32 = 1.5;

/// The number of the fastest of `count` ways, the first one where no other is clearly faster;
/// `None` where each fails. `time` says how long a way takes, `None` where it fails.
///
/// # Errors
/// Those of `time`.
#[cfg_attr(not(feature = "cuda"), allow(dead_code))]
pub(super) fn fastest(
    count: usize,
    mut time: impl FnMut(usize) -> GpuResult<Option<f32>>,
) -> GpuResult<Option<usize>> {
    let mut times = vec![Some(f32::INFINITY); count];
    // In turns, as a device's clock changes meanwhile.
    for _ in 0..ROUNDS {
        let least = times.iter().flatten().fold(f32::INFINITY, |a, b| a.min(*b));
        for (number, own) in times.iter_mut().enumerate() {
            if let Some(before) = own.filter(|t| *t <= HOPELESS * least) {
                *own = time(number)?.map(|now| now.min(before));
            }
        }
    }
    let mut ways = times
        .iter()
        .enumerate()
        .filter_map(|(number, t)| Some((number, (*t)?)));
    let Some(first) = ways.next() else {
        return Ok(None);
    };
    let other = ways.filter(|(_, t)| *t < FASTER * first.1);
    let best = other.min_by(|a, b| a.1.total_cmp(&b.1));
    Ok(Some(best.unwrap_or(first).0))
}

/// Starts a product. Where the device has no algorithm that fuses the activation, or the bias,
/// into it, kernels of ours do these behind it: the result is rounded once more on the way then.
///
/// # Errors
/// The device fails, or multiplies such matrices in no way; both are told with the product's
/// shape.
pub(super) fn multiply(gpu: &mut dyn Gpu, product: &Multiply) -> GpuResult<()> {
    let without = |bias| Multiply {
        epilogue: Epilogue::Plain,
        bias,
        ..*product
    };
    // What is asked for, and what is left to be done then.
    let mut ways = vec![(*product, None)];
    if product.epilogue != Epilogue::Plain && product.bias.is_some() {
        ways.push((without(product.bias), Some(without(None))));
    }
    if product.epilogue != Epilogue::Plain || product.bias.is_some() {
        ways.push((without(None), Some(*product)));
    }
    let mut why = String::new();
    for (asked, left) in ways {
        match (gpu.multiply(&asked)?, left) {
            (Asked::Refused(status), _) => why = status,
            (Asked::Started, None) => return Ok(()),
            (Asked::Started, Some(left)) => return finish(gpu, &left, product.epilogue),
        }
    }
    Err(GpuError::Other(format!(
        "there is no algorithm for the product {product}: {why}"
    )))
}

/// Adds the bias of a product, where it has one, to its result, and applies an activation.
fn finish(gpu: &mut dyn Gpu, product: &Multiply, epilogue: Epilogue) -> GpuResult<()> {
    let activation = match epilogue {
        Epilogue::Plain => Activation::Identity,
        Epilogue::Gelu => Activation::GeluTanh,
        Epilogue::Relu => Activation::Relu,
    };
    let number = ACTIVATIONS.iter().position(|a| *a == activation);
    gpu.launch(&Launch {
        kernel: format!("finish_{}", product.out_number.name()),
        grid: (product.count, product.columns.div_ceil(FINISH_THREADS)),
        threads: FINISH_THREADS as u32,
        memory: 0,
        args: Args::addresses(&[product.out, product.bias.unwrap_or(0)]).numbers(&[
            product.columns,
            product.out_stride,
            number.unwrap_or(ACTIVATIONS.len()),
            0,
        ]),
    })
}
