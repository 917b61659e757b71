//! Opening an encoder.

use super::{DeviceChoice, DtypeChoice, Encoder, OpenDevice, Place};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Job, NoteKind};
use crate::model::{Config, DEFAULT_MODEL, Fetch, KeptPrompts, ModelFiles, PromptSource, find};

/// The most threads of an encoder.
pub const MOST_THREADS: usize = 1024;

/// What any model is opened with.
#[derive(Debug, Clone, Default)]
pub(super) struct Opening {
    pub model: Option<String>,
    pub device: DeviceChoice,
    pub dtype: DtypeChoice,
    pub offline: bool,
    pub threads: Option<usize>,
    pub few_texts: bool,
    pub job: Job,
}

impl Opening {
    /// Finds the model, `default` where none is named, and reads its configuration with `load`.
    ///
    /// # Errors
    /// There cannot be so many threads; the model cannot be found, verified or read; the job is
    /// cancelled.
    pub(super) fn find(
        &self,
        default: &str,
        load: impl Fn(&ModelFiles) -> Result<Config>,
    ) -> Result<(ModelFiles, Config)> {
        if let Some(threads) = self.threads
            && !(1..=MOST_THREADS).contains(&threads)
        {
            let message = format!("{threads} is not from 1 to {MOST_THREADS}");
            return Err(Error::parameter("threads", message));
        }
        let name = self.model.as_deref().unwrap_or(default);
        let fetch = Fetch {
            offline: self.offline,
            ..Fetch::new().job(&self.job)
        };
        let files = find(name, &fetch)?;
        let config = load(&files)?;
        self.job.check()?;
        if let Some(class) = &config.own_class {
            let note = format!(
                "the model {} was saved as {class}, by code of its own, which is not run; what its model_type stands for is computed",
                files.id
            );
            self.job.note(NoteKind::Model, note);
        }
        Ok((files, config))
    }

    /// The device that is opened: a GPU takes longer to open than the CPU to compute a few texts.
    fn choice(&self) -> DeviceChoice {
        let cpu_can = OpenDevice::cpu().dtype(self.dtype).is_ok();
        if self.few_texts && self.device == DeviceChoice::Auto && cpu_can {
            DeviceChoice::Cpu
        } else {
            self.device
        }
    }

    /// Opens the device and loads what `load` loads on it; on the CPU where the choice is open and
    /// the device that was chosen first does not hold or not compute the model.
    ///
    /// # Errors
    /// The device or dtype asked for cannot be used; the model cannot be loaded.
    pub(super) fn load<T>(
        &self,
        load: impl Fn(OpenDevice, DtypeChoice, Option<usize>) -> Result<T>,
    ) -> Result<T> {
        let opened = self.choice().open_for(self.dtype)?;
        if let Some(why) = &opened.fallback {
            self.job.note(NoteKind::Device, why);
        }
        let first_choice = !matches!(opened.place, Place::Cpu);
        match load(opened, self.dtype, self.threads) {
            // A device that works and yet does not hold or not compute this model.
            Err(e)
                if e.kind() == ErrorKind::Device
                    && first_choice
                    && self.device == DeviceChoice::Auto =>
            {
                let why = format!("using the CPU: {e}");
                self.job.note(NoteKind::Device, why);
                load(OpenDevice::cpu(), self.dtype, self.threads)
            }
            other => other,
        }
    }
}

/// The setters that the builders of all models have, of their [`Opening`] in `opening`.
macro_rules! opening_setters {
    () => {
        /// Where to compute.
        #[must_use]
        pub fn device(mut self, device: DeviceChoice) -> Self {
            self.opening.device = device;
            self
        }

        /// The dtype to compute with.
        #[must_use]
        pub fn dtype(mut self, dtype: DtypeChoice) -> Self {
            self.opening.dtype = dtype;
            self
        }

        /// Uses no network. The environment variable `HF_HUB_OFFLINE` does the same.
        #[must_use]
        pub fn offline(mut self, yes: bool) -> Self {
            self.opening.offline = yes;
            self
        }

        /// How many threads compute on the CPU. By default as many as rayon's global pool has, shared
        /// by all encoders of the process; with a number, up to
        /// [`MOST_THREADS`](crate::encoder::MOST_THREADS), the encoder has that many of its own.
        #[must_use]
        pub fn threads(mut self, threads: usize) -> Self {
            self.opening.threads = Some(threads);
            self
        }

        /// Told what is fetched and which device computes; ends the download when it is cancelled.
        #[must_use]
        pub fn job(mut self, job: &Job) -> Self {
            self.opening.job = job.clone();
            self
        }
    };
}
pub(super) use opening_setters;

/// What an encoder is opened with; see [`Encoder::builder`].
#[derive(Debug, Clone, Default)]
pub struct EncoderBuilder {
    opening: Opening,
    dimensions: Option<usize>,
    kept_dimensions: Option<usize>,
    query_prompt: Option<String>,
    document_prompt: Option<String>,
    kept: Option<Option<KeptPrompts>>,
}

impl EncoderBuilder {
    /// The model: the name of a known one, a folder, or a hub id (`OWNER/NAME`, with `@REVISION`
    /// if wanted). all-MiniLM-L6-v2 where none is given.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.opening.model = Some(name.into());
        self
    }

    opening_setters!();

    /// Says that a query or two is all that the encoder is for: where the device is left open, the CPU
    /// computes them, as opening a GPU takes longer than that.
    #[must_use]
    pub fn few_texts(mut self, yes: bool) -> Self {
        self.opening.few_texts = yes;
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

    /// Keeps only so many values of each vector, the first ones, before it is scaled to unit
    /// length: for models trained for that (Matryoshka). `None` keeps what the model's own files
    /// say, which is all of them for most.
    #[must_use]
    pub fn dimensions(mut self, dimensions: Option<usize>) -> Self {
        self.dimensions = dimensions;
        self
    }

    /// The values that a corpus keeps of each vector, where nothing else is asked for.
    pub(crate) fn kept_dimensions(mut self, dimensions: usize) -> Self {
        self.kept_dimensions = Some(dimensions);
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
        self.opening.model.get_or_insert(name);
        self
    }

    /// The dtype where it was left open.
    pub(crate) fn default_dtype(mut self, dtype: DtypeChoice) -> Self {
        if self.opening.dtype == DtypeChoice::Auto {
            self.opening.dtype = dtype;
        }
        self
    }

    /// Finds, verifies and loads the model.
    ///
    /// # Errors
    /// The model cannot be found, verified or loaded; the device or dtype asked for cannot be
    /// used; the job is cancelled.
    pub fn open(self) -> Result<Encoder> {
        let job = &self.opening.job;
        let (files, mut config) = self.opening.find(DEFAULT_MODEL, Config::load)?;
        super::check_kind(&files, &config)?;
        let full = config.full_dim;
        match (self.dimensions, self.kept_dimensions) {
            (Some(n), _) if (1..=full).contains(&n) => config.dim = n,
            (Some(n), _) => {
                return Err(Error::parameter(
                    "dimensions",
                    format!(
                        "{n}; vectors of the model {} have {full} values, of which 1 to {full} can be kept",
                        files.id
                    ),
                ));
            }
            // Beyond, the corpus is another model's, which is told when it is used.
            (None, Some(n)) if n <= full => config.dim = n,
            _ => {}
        }
        if let Some(kept) = self.kept {
            config.prompts = config.prompts.kept(kept);
        }
        config.prompts = config
            .prompts
            .given(self.query_prompt, self.document_prompt);
        if config.pooling_assumed {
            let taken = match config.head.pooling {
                crate::model::architecture::Pooling::Last => {
                    "the last token, as of a language model,"
                }
                _ => "the mean over tokens",
            };
            let note = format!(
                "the model {} does not say its pooling; {taken} is taken",
                files.id
            );
            job.note(NoteKind::Model, note);
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
            job.note(NoteKind::Model, note);
        }
        self.opening.load(|device, dtype, threads| {
            Encoder::load_on(&files, config.clone(), device, dtype, threads)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Dtype;

    #[test]
    fn a_few_texts_open_no_gpu_but_one_that_is_asked_for() {
        let choice = |device, dtype, few_texts| {
            let opening = Opening {
                device,
                dtype,
                few_texts,
                ..Opening::default()
            };
            opening.choice()
        };
        use DeviceChoice::{Auto, Cpu, Cuda};
        let like = DtypeChoice::Like(Dtype::F16);
        assert_eq!(choice(Auto, like, true), Cpu);
        assert_eq!(choice(Auto, like, false), Auto);
        assert_eq!(choice(Cuda(None), like, true), Cuda(None));
        // What the CPU does not compute with is left to a device that may.
        assert_eq!(choice(Auto, DtypeChoice::Only(Dtype::F16), true), Auto);
    }
}
