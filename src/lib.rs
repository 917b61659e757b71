#![doc = include_str!("front.md")]
#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod corpus;
pub mod encoder;
mod error;
pub mod index;
pub mod model;
pub mod search;
pub mod store;
pub mod topics;

pub use error::{Error, Result};
