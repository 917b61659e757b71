//! cuBLASLt's products: for each shape a description and the algorithm that was fastest.
#![allow(unsafe_code)]

use super::cublaslt as lt;
use super::driver::{alloc, failed};
use super::gpu::{Address, Asked, Buffer, Epilogue, GpuDtype, GpuError, GpuResult, Multiply};
use super::products::fastest;
use cudarc::cublaslt::sys as lt_sys;
use cudarc::driver::sys::CUevent_flags;
use cudarc::driver::{CudaContext, CudaEvent, CudaStream};
use lt_sys::cublasStatus_t as Status;
use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError};

/// Memory that cuBLASLt may use, as NVIDIA advises for Hopper.
const WORKSPACE: usize = 32 << 20;
/// Planned products kept.
const PLANS: usize = 2048;
/// The alignment that cuBLASLt makes use of at most.
const ALIGNMENT: u32 = 256;
/// Algorithms that cuBLASLt is asked for, the one first that it takes for the fastest. Of 32 none was
/// faster than the best of 8 for a model of BERT's base size on an H200.
const ALGORITHMS: usize = 8;
/// Runs of an algorithm between two marks that are timed.
const RUNS: usize = 3;
/// Operations from which on a product is worth being timed: some microseconds of a large device.
const TIMED: usize = 1 << 30;
/// Products whose choice is remembered; a process that has more shapes takes cuBLASLt's for others.
const CHOICES: usize = 1 << 16;

/// Counts of rows up to a multiple of this share one choice, as batches hardly ever are of one size.
const ALIKE: usize = 2048;

/// What was chosen for products on a kind of card, for as long as the process runs: cards of a kind
/// compute alike, and a plan that is made anew is the same.
static CHOSEN: Mutex<Vec<Choices>> = Mutex::new(Vec::new());

type Algorithm = lt_sys::cublasLtMatmulAlgo_t;

struct Choices {
    card: String,
    algorithms: HashMap<PlanKey, Algorithm>,
}

/// What was chosen for a product before; otherwise what `choose` says, which is remembered. Of two
/// devices that choose at once the first is right.
fn chosen(
    card: &str,
    key: PlanKey,
    choose: impl FnOnce() -> GpuResult<Option<Algorithm>>,
) -> GpuResult<Option<Algorithm>> {
    // Products are timed while the lock is not held: other devices go on.
    let known = |new: Option<Algorithm>| {
        let mut all = CHOSEN.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|c| c.card == card).unwrap_or_else(|| {
            all.push(Choices {
                card: card.to_string(),
                algorithms: HashMap::new(),
            });
            all.len() - 1
        });
        let algorithms = &mut all[at].algorithms;
        match (algorithms.get(&key).copied(), new) {
            (Some(known), _) => Some(known),
            (None, Some(new)) if algorithms.len() < CHOICES => {
                algorithms.insert(key, new);
                Some(new)
            }
            (None, new) => new,
        }
    };
    match known(None) {
        Some(algorithm) => Ok(Some(algorithm)),
        None => Ok(choose()?.and_then(|algorithm| known(Some(algorithm)))),
    }
}

/// A product's description, and the algorithm that computes it.
struct Plan {
    description: lt_sys::cublasLtMatmulDesc_t,
    weights: lt_sys::cublasLtMatrixLayout_t,
    rows: lt_sys::cublasLtMatrixLayout_t,
    out: lt_sys::cublasLtMatrixLayout_t,
    algorithm: Algorithm,
}

impl Plan {
    /// As cuBLASLt takes them: of both factors, of what would be added, and of the result.
    fn layouts(&self) -> [lt_sys::cublasLtMatrixLayout_t; 4] {
        [self.weights, self.rows, self.out, self.out]
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: each was created by this plan and is destroyed once.
        unsafe {
            let _ = lt::destroy_matmul_desc(self.description);
            let _ = lt::destroy_matrix_layout(self.weights);
            let _ = lt::destroy_matrix_layout(self.rows);
            let _ = lt::destroy_matrix_layout(self.out);
        }
    }
}

/// What a product's algorithm depends on.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
struct PlanKey {
    count: usize,
    columns: usize,
    inner: usize,
    row_stride: usize,
    out_stride: usize,
    epilogue: Epilogue,
    bias: bool,
    number: GpuDtype,
    out_number: GpuDtype,
    alignments: [u32; 3],
}

impl PlanKey {
    fn of(product: &Multiply) -> Self {
        Self {
            count: product.count,
            columns: product.columns,
            inner: product.inner,
            row_stride: product.row_stride,
            out_stride: product.out_stride,
            epilogue: product.epilogue,
            bias: product.bias.is_some(),
            number: product.number,
            out_number: product.out_number,
            alignments: [product.weights, product.rows, product.out].map(alignment),
        }
    }

    /// What all products of about its size have.
    fn alike(self) -> Self {
        let count = match self.count {
            few if few <= ALIKE => few,
            many => many.next_multiple_of(ALIKE),
        };
        Self { count, ..self }
    }

    /// Whether it is large enough that algorithms are told apart by their times.
    fn is_timed(&self) -> bool {
        2 * self.count * self.columns * self.inner >= TIMED
    }
}

fn alignment(address: Address) -> u32 {
    1 << address.trailing_zeros().min(ALIGNMENT.trailing_zeros())
}

/// The products of one device.
pub(super) struct Plans {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    card: String,
    handle: lt_sys::cublasLtHandle_t,
    workspace: Buffer,
    /// What cuBLASLt says of products that it does not compute stands in place of their plans.
    plans: HashMap<PlanKey, Result<Plan, String>>,
}

// SAFETY: the handle and the plans are used by the one thread that has the device at the time.
unsafe impl Send for Plans {}

impl Drop for Plans {
    fn drop(&mut self) {
        let _ = self.context.bind_to_thread();
        self.plans.clear();
        // SAFETY: created by `new`, destroyed once, when no plan is left.
        let _ = unsafe { lt::destroy_handle(self.handle) };
    }
}

impl Plans {
    /// Starts cuBLASLt for the products of one stream.
    pub(super) fn new(context: &Arc<CudaContext>, stream: &Arc<CudaStream>) -> GpuResult<Self> {
        let workspace = alloc(context, WORKSPACE)?;
        let handle = lt::create_handle().map_err(|e| library_failed("its start", e))?;
        Ok(Self {
            context: context.clone(),
            stream: stream.clone(),
            card: context.name().unwrap_or_default(),
            handle,
            workspace,
            plans: HashMap::new(),
        })
    }

    /// Starts a product. Its algorithm is chosen when it is asked for first, by time where that
    /// matters and nothing is being recorded.
    pub(super) fn start(&mut self, product: &Multiply, recording: bool) -> GpuResult<Asked> {
        let key = PlanKey::of(product);
        if !self.plans.contains_key(&key) {
            if self.plans.len() >= PLANS {
                self.plans.clear();
            }
            let plan = self.plan(product, &key, recording)?;
            self.plans.insert(key, plan);
        }
        match self.plans.get(&key) {
            Some(Err(why)) => Ok(Asked::Refused(why.clone())),
            Some(Ok(plan)) => match self.run(plan, product) {
                Ok(()) => Ok(Asked::Started),
                Err(e) if is_refusal(e) => {
                    let why = format!("{:?}", e.0);
                    self.plans.insert(key, Err(why.clone()));
                    Ok(Asked::Refused(why))
                }
                Err(e) => Err(product_failed(product, e)),
            },
            None => Err(GpuError::Other(format!("no plan of the product {product}"))),
        }
    }

    /// The plan of a product, or why there is none.
    fn plan(
        &self,
        product: &Multiply,
        key: &PlanKey,
        recording: bool,
    ) -> GpuResult<Result<Plan, String>> {
        let (mut plan, algorithms) = match new_plan(self.handle, key) {
            Ok(found) => found,
            Err(e) if is_refusal(e) => return Ok(Err(format!("{:?}", e.0))),
            Err(e) => return Err(product_failed(product, e)),
        };
        if algorithms.len() > 1 && key.is_timed() && !recording {
            let choose = || {
                let number = fastest(algorithms.len(), |number| {
                    plan.algorithm = algorithms[number];
                    self.time(&plan, product)
                })?;
                Ok(number.map(|number| algorithms[number]))
            };
            match chosen(&self.card, key.alike(), choose)? {
                // Chosen for a product of about this size, which may be another.
                Some(algorithm) if self.computes(&plan, &algorithm) => plan.algorithm = algorithm,
                Some(_) => plan.algorithm = algorithms[0],
                None => return Ok(Err("each of its algorithms was refused".to_string())),
            }
        }
        Ok(Ok(plan))
    }

    /// Whether an algorithm computes the product of a plan within the workspace.
    fn computes(&self, plan: &Plan, algorithm: &Algorithm) -> bool {
        // SAFETY: the handle, the description and the layouts are alive.
        let result = unsafe {
            lt::matmul_algo_check(self.handle, plan.description, plan.layouts(), algorithm)
        };
        result
            .is_ok_and(|r| r.state == Status::CUBLAS_STATUS_SUCCESS && r.workspaceSize <= WORKSPACE)
    }

    /// Milliseconds that a product takes with a plan's algorithm; `None` where that is refused. The
    /// result is written again and again, each time the same.
    fn time(&self, plan: &Plan, product: &Multiply) -> GpuResult<Option<f32>> {
        let driver = |e| failed(e, 0);
        // The first run loads the algorithm's code.
        match self.run(plan, product) {
            Ok(()) => {}
            Err(e) if is_refusal(e) => return Ok(None),
            Err(e) => return Err(product_failed(product, e)),
        }
        let mark = || -> GpuResult<CudaEvent> {
            let flags = Some(CUevent_flags::CU_EVENT_DEFAULT);
            let event = self.context.new_event(flags).map_err(driver)?;
            event.record(&self.stream).map_err(driver)?;
            Ok(event)
        };
        let begin = mark()?;
        for _ in 0..RUNS {
            self.run(plan, product)
                .map_err(|e| product_failed(product, e))?;
        }
        let end = mark()?;
        begin.elapsed_ms(&end).map(Some).map_err(driver)
    }

    fn run(&self, plan: &Plan, product: &Multiply) -> Result<(), lt::CublasError> {
        let (one, zero) = (1.0f32, 0.0f32);
        // SAFETY: the seam's contract: the matrices lie at these addresses in the sizes that
        // the plan was made for; the scalars are on the host, where they are read at once; the
        // workspace is as large as the plan was told, and only this stream uses it.
        unsafe {
            if let Some(bias) = product.bias {
                lt::set_matmul_desc_attribute(
                    plan.description,
                    lt_sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                    (&raw const bias).cast(),
                    size_of::<Address>(),
                )?;
            }
            lt::matmul(
                self.handle,
                plan.description,
                (&raw const one).cast(),
                (&raw const zero).cast(),
                product.weights as *const c_void,
                plan.weights,
                product.rows as *const c_void,
                plan.rows,
                product.out as *const c_void,
                plan.out,
                product.out as *mut c_void,
                plan.out,
                &raw const plan.algorithm,
                self.workspace.address() as *mut c_void,
                WORKSPACE,
                self.stream.cu_stream().cast(),
            )
        }
    }
}

/// Whether cuBLASLt says that it does not compute something so, which it may do otherwise.
fn is_refusal(e: lt::CublasError) -> bool {
    matches!(
        e.0,
        Status::CUBLAS_STATUS_NOT_SUPPORTED
            | Status::CUBLAS_STATUS_ARCH_MISMATCH
            | Status::CUBLAS_STATUS_INVALID_VALUE
    )
}

fn product_failed(product: &Multiply, e: lt::CublasError) -> GpuError {
    library_failed(&format!("the product {product}"), e)
}

fn library_failed(what: &str, e: lt::CublasError) -> GpuError {
    if e.0 == Status::CUBLAS_STATUS_ALLOC_FAILED {
        GpuError::OutOfMemory(0)
    } else {
        GpuError::Other(format!("{what}: cuBLASLt: {:?}", e.0))
    }
}

fn number_type(number: GpuDtype) -> lt_sys::cudaDataType {
    match number {
        GpuDtype::F32 => lt_sys::cudaDataType::CUDA_R_32F,
        GpuDtype::F16 => lt_sys::cudaDataType::CUDA_R_16F,
        GpuDtype::Bf16 => lt_sys::cudaDataType::CUDA_R_16BF,
    }
}

fn epilogue(key: &PlanKey) -> lt_sys::cublasLtEpilogue_t {
    use lt_sys::cublasLtEpilogue_t as Lt;
    match (key.bias, key.epilogue) {
        (false, Epilogue::Plain) => Lt::CUBLASLT_EPILOGUE_DEFAULT,
        (false, Epilogue::Gelu) => Lt::CUBLASLT_EPILOGUE_GELU,
        (false, Epilogue::Relu) => Lt::CUBLASLT_EPILOGUE_RELU,
        (true, Epilogue::Plain) => Lt::CUBLASLT_EPILOGUE_BIAS,
        (true, Epilogue::Gelu) => Lt::CUBLASLT_EPILOGUE_GELU_BIAS,
        (true, Epilogue::Relu) => Lt::CUBLASLT_EPILOGUE_RELU_BIAS,
    }
}

/// The description of a product, and the algorithms for it, of which the plan has the first.
///
/// cuBLASLt counts matrices by columns. Rows of ours are columns of its, so that it is asked
/// for outᵀ = weights · rowsᵀ: its first matrix is `weights`, (inner, columns) as it sees them
/// and transposed, its second `rows`, (inner, count).
fn new_plan(
    handle: lt_sys::cublasLtHandle_t,
    key: &PlanKey,
) -> Result<(Plan, Vec<Algorithm>), lt::CublasError> {
    use lt_sys::cublasLtMatmulDescAttributes_t as Description;
    use lt_sys::cublasLtMatmulPreferenceAttributes_t as Preference;
    let kind = number_type(key.number);
    let (inner, columns, count) = (key.inner as u64, key.columns as u64, key.count as u64);
    let description = lt::create_matmul_desc(
        lt_sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
        lt_sys::cudaDataType::CUDA_R_32F,
    )?;
    let mut plan = Plan {
        description,
        weights: lt::create_matrix_layout(kind, inner, columns, key.inner as i64)?,
        rows: lt::create_matrix_layout(kind, inner, count, key.row_stride as i64)?,
        out: lt::create_matrix_layout(
            number_type(key.out_number),
            columns,
            count,
            key.out_stride as i64,
        )?,
        // SAFETY: plain numbers, which are overwritten below.
        algorithm: unsafe { std::mem::zeroed() },
    };
    let (transposed, epilogue) = (1i32, epilogue(key));
    let wishes: [(_, *const c_void, usize); 2] = [
        (
            Description::CUBLASLT_MATMUL_DESC_TRANSA,
            (&raw const transposed).cast(),
            size_of::<i32>(),
        ),
        (
            Description::CUBLASLT_MATMUL_DESC_EPILOGUE,
            (&raw const epilogue).cast(),
            size_of_val(&epilogue),
        ),
    ];
    for (attribute, value, bytes) in wishes {
        // SAFETY: each attribute gets a value of the type that it is documented to have, which
        // outlives the call; the description is alive.
        unsafe { lt::set_matmul_desc_attribute(description, attribute, value, bytes) }?;
    }
    let [weights, rows, out] = &key.alignments;
    let workspace: u64 = WORKSPACE as u64;
    let word = |n: &u32| (std::ptr::from_ref(n).cast::<c_void>(), size_of::<u32>());
    let wishes = [
        (
            Preference::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
            ((&raw const workspace).cast(), size_of::<u64>()),
        ),
        (
            Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
            word(weights),
        ),
        (
            Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
            word(rows),
        ),
        (
            Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
            word(out),
        ),
        (
            Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
            word(out),
        ),
    ];
    let preference = lt::create_matmul_pref()?;
    let set = || {
        for (attribute, (value, bytes)) in wishes {
            // SAFETY: as above; the preference is alive.
            unsafe { lt::set_matmul_pref_attribute(preference, attribute, value, bytes) }?;
        }
        algorithms(handle, &plan, preference)
    };
    let found = set();
    // SAFETY: created above, destroyed once.
    let _ = unsafe { lt::destroy_matmul_pref(preference) };
    let found = found?;
    plan.algorithm = found[0];
    Ok((plan, found))
}

/// What cuBLASLt proposes, one at least.
fn algorithms(
    handle: lt_sys::cublasLtHandle_t,
    plan: &Plan,
    preference: lt_sys::cublasLtMatmulPreference_t,
) -> Result<Vec<Algorithm>, lt::CublasError> {
    let mut found: c_int = 0;
    // SAFETY: the results are plain numbers, and there is room for as many as are asked for; the
    // handle, the description, the layouts and the preference are alive.
    let results = unsafe {
        let mut results: [lt_sys::cublasLtMatmulHeuristicResult_t; ALGORITHMS] = std::mem::zeroed();
        lt::matmul_algo_heuristics(
            handle,
            plan.description,
            plan.layouts(),
            preference,
            ALGORITHMS as c_int,
            results.as_mut_ptr(),
            &raw mut found,
        )?;
        results
    };
    let found = usize::try_from(found).unwrap_or(0).min(ALGORITHMS);
    let works =
        |r: &&lt_sys::cublasLtMatmulHeuristicResult_t| r.state == Status::CUBLAS_STATUS_SUCCESS;
    let all: Vec<_> = results[..found].iter().filter(works).collect();
    if all.is_empty() {
        return Err(lt::CublasError(Status::CUBLAS_STATUS_NOT_SUPPORTED));
    }
    Ok(all.into_iter().map(|r| r.algo).collect())
}
