//! Files of one article each, and archives of them.
