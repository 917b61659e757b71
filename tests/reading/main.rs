//! What people have and give to `nearwise index`: each input here is small, was written for its
//! test, and stands for a kind.

#[path = "../common/mod.rs"]
mod common;

mod attacked;
mod collected;
mod documents;
mod exports;
mod html;
mod identity;
mod instead;
mod kinds;
mod literature;
mod mails;
mod nested;
mod pages;
mod records;
mod replaced;
mod rows;
mod tables;
mod words;
