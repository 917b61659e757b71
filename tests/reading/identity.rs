//! Which article is which, from run to run.
