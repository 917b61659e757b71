//! The functions of cuBLASLt that are used, from the one library that [`Places`] finds.
//!
//! They are cudarc's by name and type. cudarc itself would open the library by its name, and of
//! several on a host one that does not fit the driver, or none.
#![allow(unsafe_code)]

use super::libraries::Places;
pub(super) use cudarc::cublaslt::result::CublasError;
use cudarc::cublaslt::sys::{
    self, cublasComputeType_t, cublasLtHandle_t, cublasLtMatmulAlgo_t, cublasLtMatmulDesc_t,
    cublasLtMatmulDescAttributes_t, cublasLtMatmulHeuristicResult_t, cublasLtMatmulPreference_t,
    cublasLtMatmulPreferenceAttributes_t, cublasLtMatrixLayout_t, cublasStatus_t, cudaDataType,
    cudaStream_t,
};
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

type Done<T> = Result<T, CublasError>;

macro_rules! functions {
    ($($field:ident $symbol:literal: ($($argument:ty),*);)*) => {
        struct Functions {
            $($field: unsafe extern "C" fn($($argument),*) -> cublasStatus_t,)*
        }

        /// Finds all of them.
        fn functions(library: &libloading::Library) -> Result<Functions, String> {
            Ok(Functions {
                $($field: {
                    // SAFETY: the function has this type in all versions from 12 on.
                    let found = unsafe { library.get(concat!($symbol, "\0").as_bytes()) };
                    *found.map_err(|_| concat!("cuBLASLt has no ", $symbol).to_string())?
                },)*
            })
        }
    };
}

functions! {
    create "cublasLtCreate": (*mut cublasLtHandle_t);
    destroy "cublasLtDestroy": (cublasLtHandle_t);
    layout_create "cublasLtMatrixLayoutCreate":
        (*mut cublasLtMatrixLayout_t, cudaDataType, u64, u64, i64);
    layout_destroy "cublasLtMatrixLayoutDestroy": (cublasLtMatrixLayout_t);
    desc_create "cublasLtMatmulDescCreate":
        (*mut cublasLtMatmulDesc_t, cublasComputeType_t, cudaDataType);
    desc_set "cublasLtMatmulDescSetAttribute":
        (cublasLtMatmulDesc_t, cublasLtMatmulDescAttributes_t, *const c_void, usize);
    desc_destroy "cublasLtMatmulDescDestroy": (cublasLtMatmulDesc_t);
    pref_create "cublasLtMatmulPreferenceCreate": (*mut cublasLtMatmulPreference_t);
    pref_set "cublasLtMatmulPreferenceSetAttribute":
        (cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t, *const c_void, usize);
    pref_destroy "cublasLtMatmulPreferenceDestroy": (cublasLtMatmulPreference_t);
    heuristic "cublasLtMatmulAlgoGetHeuristic": (
        cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
        cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, c_int,
        *mut cublasLtMatmulHeuristicResult_t, *mut c_int
    );
    check "cublasLtMatmulAlgoCheck": (
        cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
        cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, *const cublasLtMatmulAlgo_t,
        *mut cublasLtMatmulHeuristicResult_t
    );
    matmul "cublasLtMatmul": (
        cublasLtHandle_t, cublasLtMatmulDesc_t, *const c_void, *const c_void,
        cublasLtMatrixLayout_t, *const c_void, cublasLtMatrixLayout_t, *const c_void,
        *const c_void, cublasLtMatrixLayout_t, *mut c_void, cublasLtMatrixLayout_t,
        *const cublasLtMatmulAlgo_t, *mut c_void, usize, cudaStream_t
    );
}

static LOADED: OnceLock<Result<Functions, String>> = OnceLock::new();

/// Opens the library that fits a driver of a major version; once, whatever comes of it.
///
/// # Errors
/// There is none, or it cannot be used.
pub(super) fn load(driver: i32) -> Result<(), String> {
    let loaded = LOADED.get_or_init(|| {
        let (library, file) = Places::of_this_host().open(driver)?;
        let functions = functions(&library).map_err(|e| format!("{}: {e}", file.display()))?;
        // It stays for as long as the program runs.
        std::mem::forget(library);
        Ok(functions)
    });
    loaded.as_ref().map(drop).map_err(Clone::clone)
}

fn loaded() -> Done<&'static Functions> {
    // No device is opened before the library is.
    let failed = CublasError(cublasStatus_t::CUBLAS_STATUS_NOT_INITIALIZED);
    LOADED.get().and_then(|l| l.as_ref().ok()).ok_or(failed)
}

/// What a function writes where it is told to.
fn written<T>(write: impl FnOnce(*mut T) -> cublasStatus_t) -> Done<T> {
    let mut value = std::mem::MaybeUninit::uninit();
    write(value.as_mut_ptr()).result()?;
    // SAFETY: a function that succeeds has written it.
    Ok(unsafe { value.assume_init() })
}

pub(super) fn create_handle() -> Done<cublasLtHandle_t> {
    let f = loaded()?;
    // SAFETY: it writes one handle.
    written(|to| unsafe { (f.create)(to) })
}

/// # Safety
/// The handle was created here, and is destroyed once.
pub(super) unsafe fn destroy_handle(handle: cublasLtHandle_t) -> Done<()> {
    // SAFETY: the caller's.
    unsafe { (loaded()?.destroy)(handle) }.result()
}

pub(super) fn create_matrix_layout(
    number: cudaDataType,
    rows: u64,
    columns: u64,
    stride: i64,
) -> Done<cublasLtMatrixLayout_t> {
    let f = loaded()?;
    // SAFETY: it writes one layout.
    written(|to| unsafe { (f.layout_create)(to, number, rows, columns, stride) })
}

/// # Safety
/// The layout was created here, and is destroyed once.
pub(super) unsafe fn destroy_matrix_layout(layout: cublasLtMatrixLayout_t) -> Done<()> {
    // SAFETY: the caller's.
    unsafe { (loaded()?.layout_destroy)(layout) }.result()
}

pub(super) fn create_matmul_desc(
    compute: cublasComputeType_t,
    scale: cudaDataType,
) -> Done<cublasLtMatmulDesc_t> {
    let f = loaded()?;
    // SAFETY: it writes one description.
    written(|to| unsafe { (f.desc_create)(to, compute, scale) })
}

/// # Safety
/// The description is alive, and `value` is of the attribute's type.
pub(super) unsafe fn set_matmul_desc_attribute(
    description: cublasLtMatmulDesc_t,
    attribute: cublasLtMatmulDescAttributes_t,
    value: *const c_void,
    bytes: usize,
) -> Done<()> {
    // SAFETY: the caller's.
    unsafe { (loaded()?.desc_set)(description, attribute, value, bytes) }.result()
}

/// # Safety
/// The description was created here, and is destroyed once.
pub(super) unsafe fn destroy_matmul_desc(description: cublasLtMatmulDesc_t) -> Done<()> {
    // SAFETY: the caller's.
    unsafe { (loaded()?.desc_destroy)(description) }.result()
}

pub(super) fn create_matmul_pref() -> Done<cublasLtMatmulPreference_t> {
    let f = loaded()?;
    // SAFETY: it writes one preference.
    written(|to| unsafe { (f.pref_create)(to) })
}

/// # Safety
/// The preference is alive, and `value` is of the attribute's type.
pub(super) unsafe fn set_matmul_pref_attribute(
    preference: cublasLtMatmulPreference_t,
    attribute: cublasLtMatmulPreferenceAttributes_t,
    value: *const c_void,
    bytes: usize,
) -> Done<()> {
    // SAFETY: the caller's.
    unsafe { (loaded()?.pref_set)(preference, attribute, value, bytes) }.result()
}

/// # Safety
/// The preference was created here, and is destroyed once.
pub(super) unsafe fn destroy_matmul_pref(preference: cublasLtMatmulPreference_t) -> Done<()> {
    // SAFETY: the caller's.
    unsafe { (loaded()?.pref_destroy)(preference) }.result()
}

/// As cuBLASLt's function: up to `wanted` algorithms, the one first that it takes for the fastest.
///
/// # Safety
/// All that is passed is alive; `results` has room for as many as are wanted.
#[allow(clippy::too_many_arguments, reason = "the library's function")]
pub(super) unsafe fn matmul_algo_heuristics(
    handle: cublasLtHandle_t,
    description: cublasLtMatmulDesc_t,
    layouts: [cublasLtMatrixLayout_t; 4],
    preference: cublasLtMatmulPreference_t,
    wanted: c_int,
    results: *mut cublasLtMatmulHeuristicResult_t,
    found: *mut c_int,
) -> Done<()> {
    let [a, b, c, d] = layouts;
    // SAFETY: the caller's.
    unsafe {
        (loaded()?.heuristic)(
            handle,
            description,
            a,
            b,
            c,
            d,
            preference,
            wanted,
            results,
            found,
        )
    }
    .result()
}

/// Whether an algorithm computes a product, and in how much memory.
///
/// # Safety
/// All that is passed is alive.
pub(super) unsafe fn matmul_algo_check(
    handle: cublasLtHandle_t,
    description: cublasLtMatmulDesc_t,
    layouts: [cublasLtMatrixLayout_t; 4],
    algorithm: &cublasLtMatmulAlgo_t,
) -> Done<cublasLtMatmulHeuristicResult_t> {
    let [a, b, c, d] = layouts;
    let f = loaded()?;
    // SAFETY: the caller's; it writes one result.
    written(|to| unsafe { (f.check)(handle, description, a, b, c, d, algorithm, to) })
}

/// As cudarc's: d = alpha · a · b + beta · c.
///
/// # Safety
/// The matrices lie at these addresses in the sizes that the layouts say, and all else is alive.
#[allow(clippy::too_many_arguments, reason = "the library's function")]
pub(super) unsafe fn matmul(
    handle: cublasLtHandle_t,
    description: cublasLtMatmulDesc_t,
    alpha: *const c_void,
    beta: *const c_void,
    a: *const c_void,
    a_layout: cublasLtMatrixLayout_t,
    b: *const c_void,
    b_layout: cublasLtMatrixLayout_t,
    c: *const c_void,
    c_layout: cublasLtMatrixLayout_t,
    d: *mut c_void,
    d_layout: cublasLtMatrixLayout_t,
    algorithm: *const cublasLtMatmulAlgo_t,
    workspace: *mut c_void,
    workspace_bytes: usize,
    stream: sys::cudaStream_t,
) -> Done<()> {
    // SAFETY: the caller's.
    unsafe {
        (loaded()?.matmul)(
            handle,
            description,
            alpha,
            a,
            a_layout,
            b,
            b_layout,
            beta,
            c,
            c_layout,
            d,
            d_layout,
            algorithm,
            workspace,
            workspace_bytes,
            stream,
        )
    }
    .result()
}
