//! Tensors in safetensors files, read one by one, so that a checkpoint is never in memory beside
//! the weights that are made of it. The files are read, not mapped: one that is cut while a model
//! loads ends in an error and not in a signal.

use crate::error::{Error, Result};
use crate::guard::guarded;
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The most bytes of a file's header; the header of a model of 100,000 tensors has some 15 MB.
const HEADER: u64 = 64 << 20;

/// Where a tensor is.
struct Entry {
    shard: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    /// Where its bytes begin in the file.
    start: u64,
}

struct Shard {
    path: PathBuf,
    file: Mutex<File>,
}

/// The tensors of one or several files, by name.
pub(crate) struct Shards {
    model: String,
    shards: Vec<Shard>,
    entries: HashMap<String, Entry>,
}

/// Numbers in the type in which they were saved, rows of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Table {
    F32(Vec<f32>),
    F16(Vec<half::f16>),
    Bf16(Vec<half::bf16>),
}

impl Table {
    /// Writes a row of `out.len()` numbers.
    pub(crate) fn row(&self, number: usize, out: &mut [f32]) {
        let n = out.len();
        let range = number * n..(number + 1) * n;
        match self {
            Self::F32(values) => out.copy_from_slice(&values[range]),
            Self::F16(values) => convert(&values[range], out, |x| x.to_f32()),
            Self::Bf16(values) => convert(&values[range], out, |x| x.to_f32()),
        }
    }

    /// All numbers as f32.
    pub(crate) fn into_f32(self) -> Vec<f32> {
        match self {
            Self::F32(values) => values,
            Self::F16(values) => values.into_iter().map(half::f16::to_f32).collect(),
            Self::Bf16(values) => values.into_iter().map(half::bf16::to_f32).collect(),
        }
    }

    fn finite(&self) -> bool {
        match self {
            Self::F32(values) => values.iter().all(|x| x.is_finite()),
            Self::F16(values) => values.iter().all(|x| x.is_finite()),
            Self::Bf16(values) => values.iter().all(|x| x.is_finite()),
        }
    }
}

fn convert<T: Copy>(from: &[T], to: &mut [f32], one: impl Fn(T) -> f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = one(*from);
    }
}

impl Shards {
    /// Opens files of tensors, and reads their headers.
    ///
    /// # Errors
    /// A file cannot be read or is damaged; two files hold a tensor of the same name.
    pub(crate) fn open(model: &str, paths: &[PathBuf]) -> Result<Self> {
        let mut out = Self {
            model: model.to_string(),
            shards: Vec::new(),
            entries: HashMap::new(),
        };
        for path in paths {
            out.add(path)?;
        }
        Ok(out)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let bad =
            |message: String| Error::model(&self.model, format!("{}: {message}", path.display()));
        let cut = |reason: String| bad(format!("truncated or damaged ({reason})"));
        let mut file = File::open(path).map_err(|e| bad(e.to_string()))?;
        let length = file.metadata().map_err(|e| bad(e.to_string()))?.len();
        let mut first = [0; 8];
        file.read_exact(&mut first)
            .map_err(|e| cut(e.to_string()))?;
        let header = u64::from_le_bytes(first);
        if header > HEADER.min(length.saturating_sub(8)) {
            return Err(cut(format!("a header of {header} bytes")));
        }
        let mut bytes = Vec::new();
        let read = (&mut file).take(header).read_to_end(&mut bytes);
        read.map_err(|e| cut(e.to_string()))?;
        // Of the crate's reading of whole files only what does not need all of their bytes.
        let parsed = guarded(path.display(), || {
            serde_json::from_slice::<Metadata>(&bytes)
        })?;
        let metadata = parsed.map_err(|e| {
            let reason = e.to_string();
            cut(reason.lines().next().unwrap_or("").to_string())
        })?;
        let start = 8 + header;
        let data = metadata.data_len() as u64;
        if start + data != length {
            return Err(cut(format!(
                "{length} bytes long, and its header tells of {}",
                start + data
            )));
        }
        for (name, info) in metadata.tensors() {
            let entry = Entry {
                shard: self.shards.len(),
                dtype: info.dtype,
                shape: info.shape.clone(),
                start: start + info.data_offsets.0 as u64,
            };
            if self.entries.insert(name.clone(), entry).is_some() {
                return Err(bad(format!("the tensor {name:?} is in another file too")));
            }
        }
        self.shards.push(Shard {
            path: path.to_path_buf(),
            file: Mutex::new(file),
        });
        Ok(())
    }

    /// The names of all tensors.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// An error about a tensor, that names its file.
    pub(crate) fn bad(&self, name: Option<&str>, message: impl std::fmt::Display) -> Error {
        let shard = name
            .and_then(|n| self.entries.get(n))
            .map_or(0, |e| e.shard);
        let place = match (name, self.shards.as_slice()) {
            (_, [only]) => only.path.display().to_string(),
            (Some(_), shards) if shard < shards.len() => shards[shard].path.display().to_string(),
            (_, shards) => format!("{} files of weights", shards.len()),
        };
        Error::model(&self.model, format!("{place}: {message}"))
    }

    /// Rows of a tensor of the shape `shape`, in the type in which they were saved; for a tensor
    /// of one dimension, numbers of it.
    ///
    /// # Errors
    /// There is no such tensor, it has another shape, holds what is no float or no finite number;
    /// the file cannot be read.
    pub(crate) fn rows(&self, name: &str, shape: &[usize], rows: Range<usize>) -> Result<Table> {
        let entry = self
            .entries
            .get(name)
            .ok_or_else(|| self.bad(None, format!("there is no tensor {name:?}")))?;
        if entry.shape != shape {
            return Err(self.bad(
                Some(name),
                format!(
                    "does not fit config.json (tensor {name:?} has the shape {:?}, not {shape:?})",
                    entry.shape
                ),
            ));
        }
        let size = match entry.dtype {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::BF16 => 2,
            Dtype::F64 => 8,
            other => {
                return Err(self.bad(
                    Some(name),
                    format!(
                        "tensor {name:?} is of the type {other:?}; F32, F16, BF16 and F64 are read"
                    ),
                ));
            }
        };
        let wide: usize = shape.iter().skip(1).product();
        let bytes = self.read(
            name,
            entry,
            size * wide * rows.start,
            size * wide * rows.len(),
        )?;
        let table = match entry.dtype {
            Dtype::F32 => Table::F32(numbers(&bytes, f32::from_le_bytes)),
            Dtype::F16 => Table::F16(numbers(&bytes, half::f16::from_le_bytes)),
            Dtype::BF16 => Table::Bf16(numbers(&bytes, half::bf16::from_le_bytes)),
            _ => Table::F32(numbers(&bytes, |b| f64::from_le_bytes(b) as f32)),
        };
        if !table.finite() {
            return Err(self.bad(
                Some(name),
                format!("the weights hold NaN or infinite values (tensor {name:?})"),
            ));
        }
        Ok(table)
    }

    fn read(&self, name: &str, entry: &Entry, from: usize, length: usize) -> Result<Vec<u8>> {
        let shard = &self.shards[entry.shard];
        let mut bytes = vec![0; length];
        // A place in a file is set anew before each read.
        let mut file = shard.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(entry.start + from as u64))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|e| self.bad(Some(name), format!("tensor {name:?}: {e}")))?;
        Ok(bytes)
    }
}

fn numbers<T, const N: usize>(bytes: &[u8], one: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|b| one(*b)).collect()
}
