//! Words: how they are compared, found and understood.
