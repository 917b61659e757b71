//! The tree of topics as nested branches, for showing and exporting.

use super::edit::groups;
use super::labels::readable;
use crate::store::StoredTopics;
use std::collections::HashMap;
use std::fmt::Write as _;

/// A branch of the tree.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Branch {
    /// Its label: a topic's or part's own, else the weightiest words of what it holds.
    pub label: String,
    /// Its articles when the topics were fitted.
    pub size: u64,
    /// The topic that it is, where it is one.
    pub topic: Option<i64>,
    /// What joining its two branches added to the sum of squared distances from the means.
    pub cost: Option<f64>,
    /// The branches within it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<Branch>,
}

/// The weightiest words of several lists, each counted by its size.
fn common(lists: &[(&[(String, f32)], u64)]) -> String {
    let total: u64 = lists.iter().map(|l| l.1).sum();
    let mut sum: HashMap<&str, f32> = HashMap::new();
    for (words, size) in lists {
        let largest = words.iter().map(|w| w.1).fold(f32::MIN_POSITIVE, f32::max);
        for (word, weight) in *words {
            *sum.entry(word).or_default() += weight / largest * *size as f32 / total.max(1) as f32;
        }
    }
    let mut all: Vec<(String, f32)> = sum.into_iter().map(|(w, x)| (w.to_string(), x)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    readable(&all)
}

/// The whole tree: all joins, down to the parts. `None` without parts.
pub fn whole(stored: &StoredTopics) -> Option<Branch> {
    let parts = stored.parts.len();
    let topic_parts = |id: i64| stored.parts.iter().filter(|p| p.topic == id).count();
    let mut nodes: Vec<(Branch, Vec<usize>)> = stored
        .parts
        .iter()
        .enumerate()
        .map(|(i, part)| {
            let topic = stored.topics.iter().find(|t| t.id == part.topic);
            let alone = topic.filter(|t| topic_parts(t.id) == 1);
            let branch = Branch {
                label: alone.map_or(&part.label, |t| &t.label).clone(),
                size: part.size,
                topic: alone.map(|t| t.id),
                cost: None,
                branches: Vec::new(),
            };
            (branch, vec![i])
        })
        .collect();
    for join in &stored.joins {
        let (left, right) = (
            nodes.get(join.left)?.clone(),
            nodes.get(join.right)?.clone(),
        );
        let within: Vec<usize> = left.1.iter().chain(&right.1).copied().collect();
        let first = stored.parts[within[0]].topic;
        let whole_topic = within.iter().all(|&p| stored.parts[p].topic == first)
            && within.len() == topic_parts(first);
        let topic = stored.topics.iter().find(|t| whole_topic && t.id == first);
        let lists: Vec<(&[(String, f32)], u64)> = within
            .iter()
            .map(|&p| (stored.parts[p].words.as_slice(), stored.parts[p].size))
            .collect();
        let branch = Branch {
            label: topic.map_or_else(|| common(&lists), |t| t.label.clone()),
            size: left.0.size + right.0.size,
            topic: topic.map(|t| t.id),
            cost: Some(join.cost),
            branches: vec![left.0, right.0],
        };
        nodes.push((branch, within));
    }
    debug_assert_eq!(nodes.len(), parts + stored.joins.len());
    nodes.pop().map(|n| n.0)
}

/// The tree cut into `n` branches, the largest first.
pub fn cut(stored: &StoredTopics, n: usize) -> Vec<Branch> {
    let group = groups(stored, n);
    let mut out: Vec<Branch> = (0..n as u32)
        .map(|g| {
            let parts: Vec<_> = stored
                .parts
                .iter()
                .zip(&group)
                .filter(|p| *p.1 == g)
                .map(|p| p.0)
                .collect();
            let topics: Vec<i64> = parts.iter().map(|p| p.topic).collect();
            let whole = topics.windows(2).all(|t| t[0] == t[1])
                && topics.first().is_some_and(|&t| {
                    stored.parts.iter().filter(|p| p.topic == t).count() == topics.len()
                });
            let topic = stored
                .topics
                .iter()
                .find(|t| whole && Some(&t.id) == topics.first());
            let lists: Vec<(&[(String, f32)], u64)> =
                parts.iter().map(|p| (p.words.as_slice(), p.size)).collect();
            let leaf = |p: &&crate::store::StoredPart| Branch {
                label: p.label.clone(),
                size: p.size,
                topic: None,
                cost: None,
                branches: Vec::new(),
            };
            Branch {
                label: topic.map_or_else(|| common(&lists), |t| t.label.clone()),
                size: parts.iter().map(|p| p.size).sum(),
                topic: topic.map(|t| t.id),
                cost: None,
                branches: if parts.len() > 1 {
                    parts.iter().map(leaf).collect()
                } else {
                    Vec::new()
                },
            }
        })
        .collect();
    out.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.label.cmp(&b.label)));
    out
}

/// The tree in the DOT language of Graphviz.
pub fn dot(root: &Branch) -> String {
    fn add(out: &mut String, branch: &Branch, id: &mut usize) -> usize {
        let own = *id;
        *id += 1;
        let label = format!("{} ({})", branch.label, branch.size);
        let label: String = label
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect::<String>()
            .replace('\\', "\\\\")
            .replace('"', "\\\"");
        let shape = if branch.topic.is_some() {
            ", style=bold"
        } else {
            ""
        };
        let _ = writeln!(out, "  n{own} [label=\"{label}\"{shape}];");
        for child in &branch.branches {
            let child = add(out, child, id);
            let _ = writeln!(out, "  n{own} -> n{child};");
        }
        own
    }
    let mut out = "digraph topics {\n  rankdir=LR;\n  node [shape=box];\n".to_string();
    add(&mut out, root, &mut 0);
    out.push_str("}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_branches_count_by_size() {
        let words = |list: &[(&str, f32)]| -> Vec<(String, f32)> {
            list.iter().map(|&(w, x)| (w.to_string(), x)).collect()
        };
        let (a, b) = (
            words(&[("bank", 0.2), ("rate", 0.1)]),
            words(&[("goal", 9.0)]),
        );
        assert_eq!(common(&[(&a, 90), (&b, 10)]), "bank, rate, goal");
        assert_eq!(common(&[(&a, 10), (&b, 90)]), "goal, bank, rate");
        assert_eq!(common(&[]), "(no words)");
    }

    #[test]
    fn labels_are_quoted_in_dot() {
        let branch = Branch {
            label: "a \"b\"\\\n".into(),
            size: 3,
            topic: Some(1),
            cost: None,
            branches: Vec::new(),
        };
        assert!(
            dot(&branch).contains(r#"label="a \"b\"\\  (3)""#),
            "{}",
            dot(&branch)
        );
    }
}
