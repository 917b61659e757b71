//! Values with a role that could not be used, counted for each input.

use super::Role;
use crate::line::snippet;
use std::cell::RefCell;

/// The longest example, in characters.
const EXAMPLE: usize = 60;

/// How many values of each role could not be used, and one of them.
#[derive(Debug, Default)]
pub(crate) struct Tally(RefCell<[(u64, String); Role::ALL.len()]>);

impl Tally {
    pub(crate) fn count(&self, role: Role, value: &str) {
        let mut all = self.0.borrow_mut();
        let (count, example) = &mut all[role as usize];
        if *count == 0 {
            *example = snippet(value, EXAMPLE);
        }
        *count += 1;
    }

    /// What was counted since this was last asked.
    pub(crate) fn take(&self) -> Vec<(Role, u64, String)> {
        let all = std::mem::take(&mut *self.0.borrow_mut());
        let each = Role::ALL.into_iter().zip(all);
        each.filter(|(_, (count, _))| *count > 0)
            .map(|(role, (count, example))| (role, count, example))
            .collect()
    }
}
