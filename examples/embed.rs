//! Texts to vectors, and how near they are to each other.
//!
//! `cargo run --release --example embed -- [MODEL]`

use nearwise::Encoder;
use nearwise::encoder::Prompt;
use nearwise::vectors::dot;

fn main() -> nearwise::Result<()> {
    let mut encoder = Encoder::builder();
    // A folder, a known model or a hub id; the default model where none is named.
    if let Some(model) = std::env::args().nth(1) {
        encoder = encoder.model(model);
    }
    let encoder = encoder.open()?;

    let texts = [
        "The central bank cut interest rates.",
        "Borrowing gets cheaper after the decision on Thursday.",
        "A late goal decided the cup final.",
    ];
    let vectors = encoder.encode(&texts, Prompt::Document)?;
    let rows: Vec<&[f32]> = vectors.rows().collect();
    println!("{} vectors of {} values", rows.len(), vectors.dim);
    for (i, text) in texts.iter().enumerate() {
        println!("{text} ({} tokens)", vectors.texts[i].tokens);
        for j in (0..texts.len()).filter(|&j| j != i) {
            // Vectors have unit length, so that the dot product is the cosine.
            println!("  {:.3}  {}", dot(rows[i], rows[j]), texts[j]);
        }
    }
    Ok(())
}
