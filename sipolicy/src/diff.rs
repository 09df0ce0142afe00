//! What one policy says and another does not.

use crate::describe::Statement;
use crate::describe::statements;
use crate::document::Document;
use std::collections::HashMap;

/// The difference between two policies, by what their rules say; ids, names and order do not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Said by the first alone, in its order.
    pub removed: Vec<Statement>,
    /// Said by the second alone, in its order.
    pub added: Vec<Statement>,
}

impl Difference {
    /// Whether both say the same.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

/// Compares two policies.
pub fn diff(first: &Document, second: &Document) -> Difference {
    let (first, second) = (statements(first), statements(second));
    let mut balance = HashMap::<&str, i64>::new();
    for statement in &first {
        *balance.entry(&statement.text).or_default() += 1;
    }
    let mut added = Vec::new();
    for statement in &second {
        let left = balance.entry(&statement.text).or_default();
        *left -= 1;
        if *left < 0 {
            added.push(statement.clone());
        }
    }
    // What is left over was said more often by the first; the later sayings are the ones that went.
    let mut removed = Vec::new();
    for statement in first.iter().rev() {
        if let Some(left) = balance.get_mut(statement.text.as_str())
            && *left > 0
        {
            *left -= 1;
            removed.push(statement.clone());
        }
    }
    removed.reverse();
    Difference { removed, added }
}
