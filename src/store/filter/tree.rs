//! What is to be done with a filter however deep it is.
//!
//! A filter can be built deeper than the stack allows to follow by recursion, and what Rust
//! derives recurses. So these keep a list of what is left to do instead, or count and refuse.

use super::{Field, Filter};

/// How many levels of And, Or and Not a filter may have where one is used. The text form's limits
/// (64 brackets, each with an Or and an And, and 128 times NOT) come to as many.
pub(super) const LEVELS: usize = 256;

impl Filter {
    fn parts(&self) -> &[Filter] {
        match self {
            Self::And(parts) | Self::Or(parts) => parts,
            Self::Not(inner) => std::slice::from_ref(inner.as_ref()),
            _ => &[],
        }
    }

    /// The fields that are compared in it, as often as they are.
    pub fn fields(&self) -> Vec<&Field> {
        let mut fields = Vec::new();
        let mut todo = vec![self];
        while let Some(filter) = todo.pop() {
            todo.extend(filter.parts());
            match filter {
                Self::And(_) | Self::Or(_) | Self::Not(_) => {}
                Self::Compare { field, .. }
                | Self::In { field, .. }
                | Self::Between { field, .. }
                | Self::Contains { field, .. }
                | Self::IsNull { field } => fields.push(field),
            }
        }
        fields
    }

    /// Whether it nests deeper than [`LEVELS`].
    pub(super) fn is_too_deep(&self) -> bool {
        let mut todo = vec![(self, 0)];
        while let Some((filter, level)) = todo.pop() {
            if level > LEVELS {
                return true;
            }
            todo.extend(filter.parts().iter().map(|part| (part, level + 1)));
        }
        false
    }

    /// A copy; of And, Or and Not with these parts, as many as it has.
    fn copy_with(&self, mut parts: Vec<Filter>) -> Filter {
        match self {
            Self::And(_) => Self::And(parts),
            Self::Or(_) => Self::Or(parts),
            Self::Not(_) => Self::Not(Box::new(parts.pop().unwrap_or(Self::Or(Vec::new())))),
            Self::Compare { field, op, value } => Self::Compare {
                field: field.clone(),
                op: *op,
                value: value.clone(),
            },
            Self::In { field, values } => Self::In {
                field: field.clone(),
                values: values.clone(),
            },
            Self::Between { field, low, high } => Self::Between {
                field: field.clone(),
                low: low.clone(),
                high: high.clone(),
            },
            Self::Contains { field, text } => Self::Contains {
                field: field.clone(),
                text: text.clone(),
            },
            Self::IsNull { field } => Self::IsNull {
                field: field.clone(),
            },
        }
    }

    /// Moves its parts to the list.
    fn give_up_parts(&mut self, to: &mut Vec<Filter>) {
        match self {
            Self::And(parts) | Self::Or(parts) => to.append(parts),
            Self::Not(inner) if !inner.parts().is_empty() => {
                to.push(std::mem::replace(inner.as_mut(), Self::Or(Vec::new())));
            }
            _ => {}
        }
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        let mut todo = Vec::new();
        self.give_up_parts(&mut todo);
        // Each has no parts left when it is dropped at the end of its round.
        while let Some(mut filter) = todo.pop() {
            filter.give_up_parts(&mut todo);
        }
    }
}

impl Clone for Filter {
    fn clone(&self) -> Self {
        // A filter comes up twice: before its parts, and when they are done.
        let mut todo = vec![(self, false)];
        let mut done = Vec::new();
        while let Some((filter, ready)) = todo.pop() {
            let parts = filter.parts();
            if ready || parts.is_empty() {
                let copies = done.split_off(done.len() - parts.len());
                done.push(filter.copy_with(copies));
            } else {
                todo.push((filter, true));
                todo.extend(parts.iter().rev().map(|part| (part, false)));
            }
        }
        // One is left, the copy of `self`.
        done.pop().unwrap_or(Self::Or(Vec::new()))
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        let mut todo = vec![(self, other)];
        while let Some((a, b)) = todo.pop() {
            let same = match (a, b) {
                (Self::And(x), Self::And(y)) | (Self::Or(x), Self::Or(y)) => x.len() == y.len(),
                (Self::Not(_), Self::Not(_)) => true,
                (
                    Self::Compare { field, op, value },
                    Self::Compare {
                        field: f,
                        op: o,
                        value: v,
                    },
                ) => field == f && op == o && value == v,
                (
                    Self::In { field, values },
                    Self::In {
                        field: f,
                        values: v,
                    },
                ) => field == f && values == v,
                (
                    Self::Between { field, low, high },
                    Self::Between {
                        field: f,
                        low: l,
                        high: h,
                    },
                ) => field == f && low == l && high == h,
                (Self::Contains { field, text }, Self::Contains { field: f, text: t }) => {
                    field == f && text == t
                }
                (Self::IsNull { field }, Self::IsNull { field: f }) => field == f,
                _ => false,
            };
            if !same {
                return false;
            }
            todo.extend(a.parts().iter().zip(b.parts()));
        }
        true
    }
}

/// Reading and writing the parts of a filter, counting the levels: serde recurses.
pub(super) mod nested {
    use super::LEVELS;
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::cell::Cell;

    thread_local! {
        static OPEN: Cell<usize> = const { Cell::new(0) };
    }

    const MESSAGE: &str = "the filter is nested too deeply";

    struct Level;

    impl Level {
        fn enter() -> Option<Self> {
            OPEN.with(|open| {
                (open.get() < LEVELS).then(|| {
                    open.set(open.get() + 1);
                    Self
                })
            })
        }
    }

    impl Drop for Level {
        fn drop(&mut self) {
            OPEN.with(|open| open.set(open.get() - 1));
        }
    }

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        parts: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let _level = Level::enter().ok_or_else(|| S::Error::custom(MESSAGE))?;
        parts.serialize(to)
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<T, D::Error> {
        let _level = Level::enter().ok_or_else(|| D::Error::custom(MESSAGE))?;
        T::deserialize(from)
    }
}
