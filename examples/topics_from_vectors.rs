//! Topics of vectors and texts that you have already, without a corpus.
//!
//! `cargo run --release --example topics_from_vectors`

use nearwise::Job;
use nearwise::topics::{self, TopicOptions};

fn main() -> nearwise::Result<()> {
    // Vectors would come from any model; here each matter has a direction of its own.
    let matters = [
        ("the bank set the interest rate", [1.0, 0.0, 0.1]),
        ("the team scored a goal in the cup", [0.0, 1.0, 0.1]),
        ("the ship crossed the frozen river", [0.1, 0.0, 1.0]),
    ];
    let mut vectors: Vec<f32> = Vec::new();
    let mut texts = Vec::new();
    for i in 0..120 {
        let (text, direction) = &matters[i % 3];
        let noise = (i as f32 * 0.7).sin() * 0.1;
        vectors.extend(direction.map(|x| x + noise));
        texts.push(format!("{text}, for the time number {i}"));
    }
    // A title and a text, or a text alone.
    let documents: Vec<_> = texts.iter().map(|text| text.as_str().into()).collect();
    let options = TopicOptions::default();
    let found = topics::find(&vectors, 3, &documents, &options, None, &Job::new())?;
    for (i, topic) in found.topics.iter().enumerate() {
        println!("{i:>3}  {} ({})", topic.label, topic.size);
    }
    for (i, member) in found.members.iter().take(3).enumerate() {
        println!("document {i} is in topic {:?}", member.topic);
    }
    Ok(())
}
