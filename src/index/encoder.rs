//! The encoder that a corpus needs.

use crate::encoder::{DtypeChoice, Encoder, EncoderBuilder};
use crate::error::Result;
use crate::model::known_models;
use crate::store::Reader;

impl Reader {
    /// Opens the encoder that made the corpus's vectors, as far as `builder` leaves it open: its
    /// model, the dtype that they were computed with, how many values of each are kept, and the prompts in front of texts. For a
    /// corpus without vectors that is the default model.
    ///
    /// ```no_run
    /// # fn main() -> nearwise::Result<()> {
    /// use nearwise::{Corpus, Encoder};
    ///
    /// let reader = Corpus::open("news.nearwise")?.reader()?;
    /// let encoder = reader.encoder(Encoder::builder().offline(true))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`EncoderBuilder::open`]. That the model is another than the corpus's is found by what
    /// uses it.
    pub fn encoder(&self, builder: EncoderBuilder) -> Result<Encoder> {
        let Some(identity) = self.identity()? else {
            return builder.open();
        };
        let known = known_models().iter().any(|m| m.id == identity.model);
        let model = if identity.revision == "local" || known {
            identity.model
        } else {
            format!("{}@{}", identity.model, identity.revision)
        };
        let like = identity
            .dtype
            .parse()
            .map_or(DtypeChoice::Auto, DtypeChoice::Like);
        builder
            .default_model(model)
            .default_dtype(like)
            .kept_dimensions(identity.dim)
            .kept_prompts(self.prompts()?)
            .open()
    }
}
