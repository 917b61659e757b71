//! Opening an encoder.

use super::{DeviceChoice, DtypeChoice, Encoder, OpenDevice, Place};
use crate::error::{ErrorKind, Result};
use crate::job::{Job, NoteKind};
use crate::model::{DEFAULT_MODEL, Fetch, find};

/// What an encoder is opened with; see [`Encoder::builder`].
#[derive(Debug, Clone, Default)]
pub struct EncoderBuilder {
    model: Option<String>,
    device: DeviceChoice,
    dtype: DtypeChoice,
    offline: bool,
    threads: Option<usize>,
    job: Job,
}

impl EncoderBuilder {
    /// The model: the name of a known one, a folder, or a hub id (`OWNER/NAME`, with `@REVISION`
    /// if wanted). all-MiniLM-L6-v2 where none is given.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.model = Some(name.into());
        self
    }

    /// Where to compute.
    #[must_use]
    pub fn device(mut self, device: DeviceChoice) -> Self {
        self.device = device;
        self
    }

    /// The dtype to compute with.
    #[must_use]
    pub fn dtype(mut self, dtype: DtypeChoice) -> Self {
        self.dtype = dtype;
        self
    }

    /// Uses no network. The environment variable `HF_HUB_OFFLINE` does the same.
    #[must_use]
    pub fn offline(mut self, yes: bool) -> Self {
        self.offline = yes;
        self
    }

    /// How many threads compute on the CPU. By default as many as rayon's global pool has, shared
    /// by all encoders of the process; with a number the encoder has that many of its own.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads.max(1));
        self
    }

    /// Told what is fetched and which device computes; ends the download when it is cancelled.
    #[must_use]
    pub fn job(mut self, job: &Job) -> Self {
        self.job = job.clone();
        self
    }

    /// The model where none was given.
    pub(crate) fn default_model(mut self, name: String) -> Self {
        self.model.get_or_insert(name);
        self
    }

    /// The dtype where it was left open.
    pub(crate) fn default_dtype(mut self, dtype: DtypeChoice) -> Self {
        if self.dtype == DtypeChoice::Auto {
            self.dtype = dtype;
        }
        self
    }

    /// Finds, verifies and loads the model.
    ///
    /// # Errors
    /// The model cannot be found, verified or loaded; the device or dtype asked for cannot be
    /// used; the job is cancelled.
    pub fn open(self) -> Result<Encoder> {
        let name = self.model.as_deref().unwrap_or(DEFAULT_MODEL);
        let fetch = Fetch {
            offline: self.offline,
            ..Fetch::new().job(&self.job)
        };
        let files = find(name, &fetch)?;
        let opened = self.device.open_for(self.dtype)?;
        if let Some(why) = &opened.fallback {
            self.job.note(NoteKind::Device, why);
        }
        let first_choice = !matches!(opened.place, Place::Cpu);
        match Encoder::load_on(&files, opened, self.dtype, self.threads) {
            // A device that works and yet does not hold or not compute this model.
            Err(e)
                if e.kind() == ErrorKind::Device
                    && first_choice
                    && self.device == DeviceChoice::Auto =>
            {
                let why = format!("using the CPU: {e}");
                self.job.note(NoteKind::Device, why);
                Encoder::load_on(&files, OpenDevice::cpu(), self.dtype, self.threads)
            }
            other => other,
        }
    }
}
