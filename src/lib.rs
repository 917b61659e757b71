#![doc = include_str!("front.md")]
#![warn(missing_docs)]
#![deny(unsafe_code)]

// Tests share helpers with those in `tests/`, which know the library by its name.
#[cfg(test)]
extern crate self as nearwise;

pub mod corpus;
pub mod encoder;
mod error;
pub mod index;
pub mod model;
pub mod search;
pub mod store;
pub mod topics;

pub use error::{Error, Result};
