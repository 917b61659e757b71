//! Finding topics.

use super::super::args::ModelArgs;
use super::super::{Outcome, ui};
use super::{Shown, labeller};
use anyhow::Result;
use clap::Args;
use nearwise::encoder::DeviceChoice;
use nearwise::topics::{Method, TopicOptions, guide};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Bare {
    /// How many topics
    #[arg(long, value_name = "N")]
    topics: Option<usize>,
    /// The seed of all that is random; 42 where it is not given
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    shown: Shown,
}

impl Bare {
    pub(super) fn run(self) -> Result<Outcome> {
        let corpus = self.shown.corpus.open()?;
        let running = ui::Running::new();
        let (view, topics) = super::up_to_date(&corpus, self.topics, self.seed, running.job())?;
        drop(running);
        if topics.run.edited && view.topic_drift()?.refit {
            ui::tell(
                "the corpus has drifted from these topics, which were changed by hand; `nearwise topics fit` finds them anew",
            );
        }
        self.shown.print(&view, &topics)
    }
}

/// Find topics anew
///
/// The method `tree` finds communities in the graph of nearest neighbours (Leiden), joins them to a
/// tree, cuts the tree where the silhouette is best and refines the cut by k-means; corpora of
/// less than 300 articles are clustered by k-means from many starts. `gaussian-mixture` is that of
/// linfa-clustering on principal components. Labels are the words and phrases that set a topic
/// apart (c-TF-IDF), ranked by meaning. Topics that persist keep their numbers and the names that
/// were given to them.
#[derive(Debug, Args)]
#[command(
    after_help = "A file of guides describes topics that should be there:\n\n  \
    [[topic]]\n  name = \"Space\"\n  description = \"rockets, satellites and exploration of the Moon\"\n  \
    words = [\"lander\", \"orbit\"]       # optional\n  articles = [\"wire-017\"]            # optional, ids of articles that belong to it\n  \
    threshold = 0.3                    # optional, the cosine to the text from which an article counts\n\n\
    Examples:\n  nearwise topics fit\n  nearwise topics fit --topics 12\n  nearwise topics fit --method hdbscan --min-size 15\n  \
    nearwise topics fit --guide guides.toml"
)]
pub(super) struct Fit {
    /// How many topics; chosen where it is not given
    #[arg(long, value_name = "N")]
    topics: Option<usize>,
    /// How to cluster: tree, kmeans, leiden, hdbscan or gaussian-mixture
    #[arg(long, value_name = "METHOD", default_value = "tree")]
    method: Method,
    /// The fewest articles of a topic, where their number is chosen; by default a sixteenth of the corpus, 2 to 10
    #[arg(long, value_name = "N")]
    min_size: Option<usize>,
    /// The resolution of --method leiden; by default the most stable
    #[arg(long, value_name = "X")]
    resolution: Option<f64>,
    /// Articles of a mini-batch of --method kmeans; by default all in each iteration
    #[arg(long, value_name = "N", value_parser = super::super::args::positive)]
    batch: Option<usize>,
    /// Leave articles in no topic whose cosine to their topic's centroid is less; by default
    /// only those far from every article and from their topic's centre
    #[arg(long, value_name = "COSINE", allow_negative_numbers = true)]
    min_similarity: Option<f32>,
    /// A file of topics that should be there, described by words, texts or articles
    #[arg(long, value_name = "FILE")]
    guide: Option<PathBuf>,
    /// The seed of all that is random
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Where to compare vectors of large corpora: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    #[command(flatten)]
    shown: Shown,
}

impl Fit {
    pub(super) fn run(self) -> Result<Outcome> {
        let options = TopicOptions {
            k: self.topics,
            seed: self.seed,
            method: self.method,
            min_size: self.min_size,
            resolution: self.resolution,
            batch_size: self.batch,
            min_similarity: self.min_similarity,
            device: self.device,
            guides: self
                .guide
                .as_deref()
                .map(guide::read)
                .transpose()?
                .unwrap_or_default(),
        };
        // A wrong option is told before the corpus is opened.
        options.check()?;
        self.device.check()?;
        let mut writer = self.shown.corpus.writer()?;
        let running = ui::Running::new();
        let job = running.job();
        let encoder = if options.guides.is_empty() {
            labeller(&writer, job)
        } else {
            Some(ModelArgs::default().open(&writer, true, job)?)
        };
        let topics = writer.fit_topics(&options, encoder.as_ref(), job)?;
        drop(running);
        self.shown.print(&writer, &topics)
    }
}
