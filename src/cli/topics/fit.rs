//! Finding topics.

use super::super::args::ModelArgs;
use super::super::{Outcome, ui};
use super::Shown;
use anyhow::Result;
use clap::Args;
use nearwise::encoder::{DeviceChoice, Encoder};
use nearwise::store::Store;
use nearwise::topics::assign::drift;
use nearwise::topics::{Method, TopicOptions, fit_telling, fitted, guide};
use std::path::PathBuf;

/// Opens the corpus's model to rank labels by meaning; where it is not on the machine, labels go
/// by their words alone and a line says so.
pub(in super::super) fn labeller(store: &Store) -> Option<Encoder> {
    let model = ModelArgs::default();
    match model.open_here(store) {
        Ok(encoder) => store
            .check_model(encoder.identity())
            .is_ok()
            .then_some(encoder),
        Err(e) => {
            eprintln!(
                "{}",
                ui::clean(&format!(
                    "labels are made of words alone, without the model: {e:#}"
                ))
            );
            None
        }
    }
}

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
    pub fn run(self) -> Result<Outcome> {
        let mut store = self.shown.corpus.open()?;
        let topics = fitted(&mut store, self.topics, self.seed, &mut labeller)?;
        if topics.run.edited && drift(&store)?.refit {
            eprintln!(
                "the corpus has drifted from these topics, which were changed by hand; `nearwise topics fit` finds them anew"
            );
        }
        self.shown.print(&store, &topics)
    }
}

/// Find topics anew
///
/// The method `tree` joins communities of the graph of nearest neighbours (Leiden) to a tree,
/// cuts it where the silhouette is best and refines the cut by k-means; corpora of
/// less than 300 articles are clustered by k-means from many starts. `kmeans`,
/// `spherical-kmeans`, `leiden` and `hdbscan` are Nearwise's own, `linfa-kmeans`, `dbscan`, `optics` and `gaussian-mixture` are
/// those of linfa-clustering on principal components. Labels are the words and phrases that set
/// a topic apart (c-TF-IDF), ranked by meaning. Topics that persist keep their numbers and the
/// names that were given to them.
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
    /// How to cluster: tree, kmeans, spherical-kmeans, leiden, hdbscan, linfa-kmeans, dbscan,
    /// optics or gaussian-mixture
    #[arg(long, value_name = "METHOD", default_value = "tree")]
    method: Method,
    /// The fewest articles of a topic; by default a sixteenth of the corpus, 2 to 10
    #[arg(long, value_name = "N")]
    min_size: Option<usize>,
    /// The resolution of --method leiden; by default the most stable
    #[arg(long, value_name = "X")]
    resolution: Option<f64>,
    /// The radius of --method dbscan and optics, 0 to 2; by default the median distance of the
    /// neighbours
    #[arg(long, value_name = "X")]
    radius: Option<f32>,
    /// Articles of a mini-batch of --method kmeans and spherical-kmeans; by default all in each
    /// iteration
    #[arg(long, value_name = "N", value_parser = super::super::args::positive)]
    batch: Option<usize>,
    /// Leave articles in no topic whose cosine to their topic's centroid is less; by default
    /// only those far from every article and from their topic's centre
    #[arg(long, value_name = "COSINE")]
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
    pub fn run(self) -> Result<Outcome> {
        use nearwise::Error;
        if self.resolution.is_some_and(|r| !(r > 0.0 && r <= 1000.0)) {
            return Err(Error::usage("--resolution", "give a number above 0, such as 1.0").into());
        }
        if self.resolution.is_some() && self.method != Method::Leiden {
            return Err(Error::usage("--resolution", "only --method leiden has one").into());
        }
        if self.resolution.is_some() && self.topics.is_some() {
            return Err(Error::usage(
                "--resolution",
                "it decides the number of topics; leave out --topics",
            )
            .into());
        }
        if self.radius.is_some_and(|r| !(r > 0.0 && r <= 2.0)) {
            return Err(Error::usage("--radius", "give a distance above 0, 2 at most").into());
        }
        if self.radius.is_some() && !matches!(self.method, Method::Dbscan | Method::Optics) {
            return Err(
                Error::usage("--radius", "only --method dbscan and optics have one").into(),
            );
        }
        if self
            .min_similarity
            .is_some_and(|s| !(-1.0..=1.0).contains(&s))
        {
            return Err(Error::usage("--min-similarity", "give a cosine, from -1 to 1").into());
        }
        if self.batch.is_some() && !matches!(self.method, Method::Kmeans | Method::SphericalKmeans)
        {
            return Err(Error::usage(
                "--batch",
                "only --method kmeans and spherical-kmeans have mini-batches",
            )
            .into());
        }
        if self.min_size == Some(0) {
            return Err(Error::usage("--min-size", "give 1 or more").into());
        }
        let options = TopicOptions {
            k: self.topics,
            seed: self.seed,
            method: self.method,
            least: self.min_size,
            resolution: self.resolution,
            radius: self.radius,
            batch: self.batch,
            min_similarity: self.min_similarity,
            device: self.device,
            guides: self
                .guide
                .as_deref()
                .map(guide::read)
                .transpose()?
                .unwrap_or_default(),
        };
        let mut store = self.shown.corpus.open()?;
        let mut encoder = if options.guides.is_empty() {
            labeller(&store)
        } else {
            Some(ModelArgs::default().open(Some(&store))?)
        };
        let spinner = ui::Spinner::new();
        let topics = fit_telling(&mut store, &options, encoder.as_mut(), &mut |stage| {
            spinner.say(stage)
        })?;
        drop(spinner);
        self.shown.print(&store, &topics)
    }
}
