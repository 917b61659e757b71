//! Opening an encoder.

use super::{DeviceChoice, DtypeChoice, Encoder, OpenDevice, Place};
use crate::error::{ErrorKind, Result};
use crate::job::{Job, NoteKind};
use crate::model::{Config, DEFAULT_MODEL, Fetch, KeptPrompts, PromptSource, find};

/// What an encoder is opened with; see [`Encoder::builder`].
#[derive(Debug, Clone, Default)]
pub struct EncoderBuilder {
    model: Option<String>,
    device: DeviceChoice,
    dtype: DtypeChoice,
    offline: bool,
    threads: Option<usize>,
    query_prompt: Option<String>,
    document_prompt: Option<String>,
    kept: Option<Option<KeptPrompts>>,
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

    /// What is put in front of a query, in place of the model's own prompt; may be empty.
    #[must_use]
    pub fn query_prompt(mut self, prompt: impl Into<String>) -> Self {
        self.query_prompt = Some(prompt.into());
        self
    }

    /// What is put in front of a document or passage, in place of the model's own prompt; may be
    /// empty. A corpus keeps to the one that it was made with.
    #[must_use]
    pub fn document_prompt(mut self, prompt: impl Into<String>) -> Self {
        self.document_prompt = Some(prompt.into());
        self
    }

    /// The prompts that a corpus was made with, where none are given; `None` for a corpus of before
    /// they were written down.
    pub(crate) fn kept_prompts(mut self, kept: Option<KeptPrompts>) -> Self {
        self.kept = Some(kept);
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
        let mut config = Config::load(&files)?;
        if let Some(kept) = self.kept {
            config.prompts = config.prompts.kept(kept);
        }
        config.prompts = config
            .prompts
            .given(self.query_prompt, self.document_prompt);
        self.job.check()?;
        if config.pooling_assumed {
            let note = format!(
                "the model {} does not say its pooling; the mean over tokens is taken",
                files.id
            );
            self.job.note(NoteKind::Model, note);
        }
        if let PromptSource::Family(family) = config.prompts.source {
            let put = |prompt: &str| match prompt {
                "" => "nothing".to_string(),
                prompt => format!("{prompt:?}"),
            };
            let note = format!(
                "the model {} is taken for one of the family {family}: {} is put in front of queries, {} in front of passages",
                files.id,
                put(&config.prompts.query),
                put(&config.prompts.document)
            );
            self.job.note(NoteKind::Model, note);
        }
        let opened = self.device.open_for(self.dtype)?;
        if let Some(why) = &opened.fallback {
            self.job.note(NoteKind::Device, why);
        }
        let first_choice = !matches!(opened.place, Place::Cpu);
        match Encoder::load_on(&files, config.clone(), opened, self.dtype, self.threads) {
            // A device that works and yet does not hold or not compute this model.
            Err(e)
                if e.kind() == ErrorKind::Device
                    && first_choice
                    && self.device == DeviceChoice::Auto =>
            {
                let why = format!("using the CPU: {e}");
                self.job.note(NoteKind::Device, why);
                Encoder::load_on(&files, config, OpenDevice::cpu(), self.dtype, self.threads)
            }
            other => other,
        }
    }
}
