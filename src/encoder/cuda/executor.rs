//! One device's batches: two under way at a time, so that the device computes one while the
//! host packs the next.

use super::forward::{Arena, forward};
use super::gpu::{Buffer, CapturedGraph, Event, Gpu, GpuError, GpuResult, Pinned};
use super::pack::{BatchShape, SMALL};
use super::weights::{Shape, Weights};
use std::collections::{HashMap, VecDeque};

/// Batches under way.
pub(super) const DEPTH: usize = 2;
/// Small batches of a shape that are computed before one is captured: a capture costs about
/// as much as it saves at first.
const BEFORE_CAPTURE: usize = 2;
/// Graphs kept.
const GRAPHS: usize = 64;

/// Memory of one batch under way.
#[derive(Default)]
struct Slot {
    input: Option<(Box<dyn Pinned>, Buffer)>,
    output: Option<(Box<dyn Pinned>, Buffer)>,
}

/// A batch in the order of submission.
enum Entry {
    Done(Vec<f32>),
    Running {
        slot: usize,
        mark: Event,
        texts: usize,
    },
}

/// A device with a model's weights.
pub(super) struct Executor {
    gpu: Box<dyn Gpu>,
    shape: Shape,
    weights: Weights<Buffer>,
    /// The tokens of a batch at which the device is fastest.
    budget: usize,
    /// The most tokens that are tried at once: fewer when memory has run out.
    most: usize,
    arena: Option<Arena>,
    slots: [Slot; DEPTH],
    next: usize,
    entries: VecDeque<Entry>,
    graphs: HashMap<(BatchShape, usize), CapturedGraph>,
    seen: HashMap<BatchShape, usize>,
}

impl Executor {
    /// Copies the weights to the device.
    pub(super) fn new(
        mut gpu: Box<dyn Gpu>,
        shape: &Shape,
        weights: &Weights<Vec<u8>>,
        budget: usize,
    ) -> GpuResult<Self> {
        let weights = weights.put(&mut *gpu)?;
        Ok(Self {
            gpu,
            shape: shape.clone(),
            weights,
            budget,
            most: usize::MAX,
            arena: None,
            slots: Default::default(),
            next: 0,
            entries: VecDeque::new(),
            graphs: HashMap::new(),
            seen: HashMap::new(),
        })
    }

    /// The device's name.
    pub(super) fn name(&self) -> &str {
        self.gpu.name()
    }

    /// What the device is, for people.
    pub(super) fn about(&self) -> String {
        self.gpu.about()
    }

    /// Tokens of a batch, less than at first where there was no memory for more.
    pub(super) fn budget(&self) -> usize {
        self.budget
    }

    /// Hands a batch to the device. One that its memory does not hold is halved, and halved
    /// again, down to single texts.
    pub(super) fn submit(&mut self, texts: &[&[u32]]) -> GpuResult<()> {
        let tokens: usize = texts.iter().map(|t| t.len()).sum();
        if tokens <= self.most || texts.len() == 1 {
            match self.start(texts) {
                Err(GpuError::OutOfMemory(_)) if texts.len() > 1 => {}
                other => return other,
            }
            // Once is enough: later batches are halved without trying.
            self.most = (tokens / 2).max(1);
            self.budget = self.budget.min(self.most);
        }
        self.settle()?;
        let others = std::mem::take(&mut self.entries);
        let mut out = Vec::with_capacity(texts.len() * self.shape.out_width());
        let (left, right) = texts.split_at(texts.len() / 2);
        for half in [left, right] {
            self.submit(half)?;
            out.extend(self.collect()?.unwrap_or_default());
        }
        self.entries = others;
        self.entries.push_back(Entry::Done(out));
        Ok(())
    }

    /// The vectors of the batch that was submitted first and not collected, in the order of its
    /// texts; `None` where there is none.
    pub(super) fn collect(&mut self) -> GpuResult<Option<Vec<f32>>> {
        match self.entries.pop_front() {
            None => Ok(None),
            Some(Entry::Done(vectors)) => Ok(Some(vectors)),
            Some(Entry::Running { slot, mark, texts }) => self.take(slot, &mark, texts).map(Some),
        }
    }

    /// Waits for a batch and reads its vectors.
    fn take(&mut self, slot: usize, mark: &Event, texts: usize) -> GpuResult<Vec<f32>> {
        self.gpu.wait(mark)?;
        let Some((pinned, _)) = &mut self.slots[slot].output else {
            return Err(GpuError::Other("a batch lost its memory".to_string()));
        };
        let (hidden, width) = (self.shape.hidden(), self.shape.hidden_width());
        let bytes = 4 * texts * self.shape.out_width();
        let mut vectors = super::gpu::floats(&pinned.bytes()[..bytes]);
        if hidden < width {
            let own = vectors.chunks_exact(width).flat_map(|v| &v[..hidden]);
            vectors = own.copied().collect();
        }
        Ok(vectors)
    }

    /// Waits for all batches under way; their vectors are kept.
    fn settle(&mut self) -> GpuResult<()> {
        for entry in std::mem::take(&mut self.entries) {
            let entry = match entry {
                Entry::Running { slot, mark, texts } => Entry::Done(self.take(slot, &mark, texts)?),
                done => done,
            };
            self.entries.push_back(entry);
        }
        Ok(())
    }

    fn start(&mut self, texts: &[&[u32]]) -> GpuResult<()> {
        let padded = BatchShape::of(texts.iter().map(|t| t.len()));
        self.fit(&padded)?;
        let slot = self.next;
        // The batch that has the slot's memory must be read before it is written anew.
        let busy = |e: &Entry| matches!(e, Entry::Running { slot: s, .. } if *s == slot);
        if self.entries.iter().any(busy) {
            self.settle()?;
        }
        self.fit_slot(slot, &padded)?;
        let Self {
            gpu,
            shape,
            weights,
            arena: Some(arena),
            ..
        } = self
        else {
            return Err(GpuError::Other("there are no buffers".to_string()));
        };
        let gpu = &mut **gpu;
        let Slot {
            input: Some((packed, input)),
            output: Some((vectors, output)),
        } = &mut self.slots[slot]
        else {
            return Err(GpuError::Other("a batch has no memory".to_string()));
        };
        let words = 4 * padded.words();
        let positions = shape.architecture.embedding.positions;
        let padding = positions.and_then(|table| table.padding);
        padded.write(texts, padding, &mut packed.bytes()[..words]);
        let key = (padded, slot);
        let mut compute = || {
            gpu.upload(&**packed, words, input.address())?;
            let (from, to) = (input.address(), output.address());
            if let Some(graph) = self.graphs.get(&key) {
                gpu.launch_graph(graph)?;
            } else {
                let seen = self.seen.entry(padded).or_insert(0);
                *seen += 1;
                let small = padded.tokens <= SMALL;
                if small && *seen > BEFORE_CAPTURE && self.graphs.len() < GRAPHS {
                    gpu.begin_capture()?;
                    let done = forward(gpu, shape, weights, arena, &padded, from, to);
                    // The device's queue must leave the capture whether it succeeded or not.
                    let graph = gpu.end_capture();
                    done?;
                    let graph = graph?;
                    gpu.launch_graph(&graph)?;
                    self.graphs.insert(key, graph);
                } else {
                    forward(gpu, shape, weights, arena, &padded, from, to)?;
                }
            }
            let bytes = 4 * texts.len() * shape.out_width();
            gpu.download(to, bytes, &**vectors)?;
            gpu.mark()
        };
        let mark = match compute() {
            Ok(mark) => mark,
            Err(failure) => {
                // What was asked for still reads the slot's memory, which is written next.
                super::gpu::finish(gpu)?;
                return Err(failure);
            }
        };
        self.entries.push_back(Entry::Running {
            slot,
            mark,
            texts: texts.len(),
        });
        self.next = (slot + 1) % DEPTH;
        Ok(())
    }

    /// Makes the buffers of hidden states hold a batch. The first small ones, such as queries,
    /// get small ones; the first large one gets those of a whole budget, so that they grow
    /// once.
    fn fit(&mut self, padded: &BatchShape) -> GpuResult<()> {
        if self
            .arena
            .as_ref()
            .is_some_and(|a| a.tokens >= padded.tokens)
        {
            return Ok(());
        }
        self.settle()?;
        self.graphs.clear();
        self.arena = None;
        let wanted = if padded.tokens <= SMALL {
            SMALL
        } else {
            let budget = self.budget.next_multiple_of(SMALL);
            padded.tokens.max(budget)
        };
        let gpu = &mut *self.gpu;
        let arena = match Arena::new(gpu, &self.shape, wanted) {
            Err(GpuError::OutOfMemory(_)) if wanted > padded.tokens => {
                Arena::new(gpu, &self.shape, padded.tokens)
            }
            other => other,
        };
        self.arena = Some(arena?);
        Ok(())
    }

    fn fit_slot(&mut self, number: usize, padded: &BatchShape) -> GpuResult<()> {
        let (input, output) = (
            4 * padded.words(),
            4 * padded.texts * self.shape.out_width(),
        );
        let slot = &mut self.slots[number];
        let holds = |part: &Option<(Box<dyn Pinned>, Buffer)>, bytes: usize| {
            part.as_ref().is_some_and(|(_, b)| b.bytes() >= bytes)
        };
        if holds(&slot.input, input) && holds(&slot.output, output) {
            return Ok(());
        }
        // Recordings hold the old addresses.
        self.graphs.retain(|(_, slot), _| *slot != number);
        let gpu = &mut *self.gpu;
        for (part, bytes) in [(&mut slot.input, input), (&mut slot.output, output)] {
            if !holds(part, bytes) {
                *part = None;
                let bytes = bytes.next_power_of_two();
                let buffer = gpu.alloc(bytes)?;
                *part = Some((gpu.pinned(bytes)?, buffer));
            }
        }
        Ok(())
    }

    /// Sets the budget to what the free memory holds.
    pub(super) fn fit_budget(&mut self) -> GpuResult<()> {
        // A half is left to the matrix products' own memory and to others on the device.
        let free = self.gpu.free_memory()? / 2;
        let fits = free / Arena::row_bytes(&self.shape).max(1);
        self.budget = self.budget.min(fits).max(self.shape.longest);
        Ok(())
    }
}
