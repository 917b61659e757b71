//! JSON lines: an object a line.

use super::{Context, LONGEST};
use crate::corpus::columns::{Mapping, proposed};
use crate::corpus::decode::Decoder;
use crate::error::{Error, Result};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::io::{BufRead, Read};

/// Rows may differ in their keys; this many different sets of keys are remembered.
const MAPPINGS: usize = 256;

pub(super) fn read(
    mut stream: impl BufRead,
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    let mut mappings: HashMap<Vec<String>, Mapping> = HashMap::new();
    let mut line = Vec::new();
    let mut row = 0;
    loop {
        line.clear();
        let n = stream
            .by_ref()
            .take(LONGEST + 1)
            .read_until(b'\n', &mut line)
            .map_err(|e| Error::io(context.path, e))?;
        if n == 0 {
            return Ok(());
        }
        row += 1;
        if n as u64 > LONGEST {
            return Err(Error::input(
                context.path,
                Some(row),
                "a line longer than 64 MiB; JSON lines hold an article a line",
            ));
        }
        let text = decoder.decode(&line);
        if text.trim().is_empty() {
            continue;
        }
        let object = match serde_json::from_str::<Map<String, Value>>(&text) {
            Ok(object) => object,
            Err(e) => {
                context.bad(Some(row), format!("not a JSON object ({e})"))?;
                continue;
            }
        };
        let keys: Vec<String> = object.keys().cloned().collect();
        if !mappings.contains_key(&keys) {
            // A column that the user named must be in the first row; later ones may lack it.
            let mapped = if mappings.is_empty() {
                context.columns.map(&keys)
            } else {
                context.columns.map_sparse(&keys)
            };
            match mapped {
                Ok(mapping) => {
                    context.report(&mapping);
                    if mappings.len() >= MAPPINGS {
                        let any = mappings.keys().next().cloned();
                        mappings.retain(|keys, _| Some(keys) == any.as_ref());
                    }
                    mappings.insert(keys.clone(), mapping);
                }
                Err(message) => {
                    context.bad(Some(row), proposed(message, &[object]))?;
                    continue;
                }
            }
        }
        match mappings[&keys].article(object) {
            Ok(mut article) => {
                article.origin = context.origin.to_string();
                article.row = Some(row);
                context.sink.article(article)?;
            }
            Err(message) => context.bad(Some(row), message)?,
        }
    }
}
