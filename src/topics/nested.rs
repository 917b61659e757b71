//! The tree of topics as nested branches, for showing and exporting.

use super::edit::groups;
use super::labels::readable;
use crate::corpus::clean;
use crate::error::Result;
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
    /// The numbers of the parts that it holds.
    #[serde(skip)]
    pub parts: Vec<i64>,
}

/// A branch in a list of all: see [`nodes`].
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Node {
    /// Its number in the list, from 0: the root, then whatever lies below a branch after it.
    pub id: usize,
    /// The node that it is a branch of; `None` for the root.
    pub parent: Option<usize>,
    /// Its label.
    pub label: String,
    /// Its articles when the topics were fitted.
    pub size: u64,
    /// How many branches lie above it.
    pub level: usize,
    /// The topic that it is, where it is one.
    pub topic: Option<i64>,
    /// The topics that it holds, or whose part it is.
    pub topics: Vec<i64>,
    /// The numbers of the parts that it holds.
    #[serde(skip)]
    pub parts: Vec<i64>,
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

/// A branch of some of the parts, by their indices: a topic where these are all of its parts.
fn branch(stored: &StoredTopics, parts: &[usize]) -> Branch {
    let of = |&p: &usize| &stored.parts[p];
    let first = parts.first().map(|p| of(p).topic);
    let all = stored.parts.iter().filter(|p| Some(p.topic) == first);
    let whole = all.count() == parts.len() && parts.iter().all(|p| Some(of(p).topic) == first);
    let topic = stored.topics.iter().find(|t| whole && Some(t.id) == first);
    let label = match (topic, parts) {
        (Some(topic), _) => topic.label.clone(),
        (None, [one]) => of(one).label.clone(),
        (None, _) => {
            let lists = parts.iter().map(|p| (of(p).words.as_slice(), of(p).size));
            common(&lists.collect::<Vec<_>>())
        }
    };
    Branch {
        label,
        size: parts.iter().map(|p| of(p).size).sum(),
        topic: topic.map(|t| t.id),
        cost: None,
        branches: Vec::new(),
        parts: parts.iter().map(|p| of(p).id).collect(),
    }
}

/// The whole tree as a list, the root first. Below a topic its parts stand side by side, the
/// largest first: how they joined says little.
pub fn nodes(stored: &StoredTopics) -> Vec<Node> {
    let topic_of: HashMap<i64, i64> = stored.parts.iter().map(|p| (p.id, p.topic)).collect();
    let mut out: Vec<Node> = Vec::new();
    // A tree can be as deep as it has leaves, and so is not walked by calling.
    let mut open: Vec<(Branch, Option<usize>, usize)> = Vec::new();
    open.extend(whole(stored).map(|root| (root, None, 0)));
    while let Some((mut branch, parent, level)) = open.pop() {
        let id = out.len();
        let mut topics: Vec<i64> = branch
            .parts
            .iter()
            .filter_map(|part| topic_of.get(part).copied())
            .collect();
        topics.sort_unstable();
        topics.dedup();
        let below = std::mem::take(&mut branch.branches);
        let mut below = if branch.topic.is_some() {
            leaves(below)
        } else {
            below
        };
        below.sort_by_key(|b| b.size);
        open.extend(below.into_iter().map(|b| (b, Some(id), level + 1)));
        out.push(Node {
            id,
            parent,
            label: std::mem::take(&mut branch.label),
            size: branch.size,
            level,
            topic: branch.topic,
            topics,
            parts: std::mem::take(&mut branch.parts),
        });
    }
    out
}

/// The branches at the ends of branches.
fn leaves(mut open: Vec<Branch>) -> Vec<Branch> {
    let mut out = Vec::new();
    while let Some(mut branch) = open.pop() {
        if branch.branches.is_empty() {
            out.push(branch);
        } else {
            open.append(&mut branch.branches);
        }
    }
    out
}

/// The whole tree: all joins, down to the parts. `None` without parts.
pub fn whole(stored: &StoredTopics) -> Option<Branch> {
    let mut nodes: Vec<Option<(Branch, Vec<usize>)>> = (0..stored.parts.len())
        .map(|p| Some((branch(stored, &[p]), vec![p])))
        .collect();
    for join in &stored.joins {
        let (left, mut within) = nodes.get_mut(join.left)?.take()?;
        let (right, others) = nodes.get_mut(join.right)?.take()?;
        within.extend(others);
        let joined = Branch {
            cost: Some(join.cost),
            branches: vec![left, right],
            ..branch(stored, &within)
        };
        nodes.push(Some((joined, within)));
    }
    nodes.pop().flatten().map(|n| n.0)
}

/// The tree cut into `n` branches, the largest first, each with its parts.
///
/// # Errors
/// The tree has fewer leaves than `n`, or none is asked for; the tree is damaged.
pub fn cut(stored: &StoredTopics, n: usize) -> Result<Vec<Branch>> {
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (part, group) in groups(stored, n)?.into_iter().enumerate() {
        parts[group as usize].push(part);
    }
    let mut out: Vec<Branch> = parts
        .iter()
        .map(|parts| {
            let leaf = |&p: &usize| Branch {
                label: stored.parts[p].label.clone(),
                topic: None,
                ..branch(stored, &[p])
            };
            let leaves = parts.iter().filter(|_| parts.len() > 1);
            Branch {
                branches: leaves.map(leaf).collect(),
                ..branch(stored, parts)
            }
        })
        .collect();
    out.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.label.cmp(&b.label)));
    Ok(out)
}

/// The tree in the DOT language of Graphviz.
pub fn dot(root: &Branch) -> String {
    fn add(out: &mut String, branch: &Branch, id: &mut usize) -> usize {
        let own = *id;
        *id += 1;
        let label = format!("{} ({})", branch.label, branch.size);
        let label = clean(&label).replace('\\', "\\\\").replace('"', "\\\"");
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
    use crate::store::{StoredJoin, StoredPart, StoredTopic, TopicRun};

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
            parts: Vec::new(),
        };
        assert!(
            dot(&branch).contains(r#"label="a \"b\"\\  (3)""#),
            "{}",
            dot(&branch)
        );
    }

    #[test]
    fn the_tree_as_a_list() {
        let part = |id: i64, topic, size| StoredPart {
            id,
            topic,
            label: format!("part {id}"),
            size,
            words: vec![(format!("word{id}"), 1.0)],
            centroid: Vec::new(),
        };
        let topic = |id: i64| StoredTopic {
            id,
            label: format!("topic {id}"),
            named: false,
            size: 0,
            words: Vec::new(),
            typical: Vec::new(),
            centroid: Vec::new(),
        };
        let join = |left, right| StoredJoin {
            left,
            right,
            cost: 1.0,
        };
        let stored = StoredTopics {
            run: TopicRun::default(),
            topics: vec![topic(7), topic(9)],
            parts: vec![part(0, 7, 3), part(1, 7, 5), part(2, 9, 4), part(3, 7, 2)],
            joins: vec![join(0, 1), join(4, 3), join(5, 2)],
            members: Vec::new(),
        };
        let found: Vec<(Option<usize>, String, usize, Vec<i64>)> = nodes(&stored)
            .into_iter()
            .map(|n| (n.parent, n.label, n.level, n.topics))
            .collect();
        let node = |parent, label: &str, level, topics: &[i64]| {
            (parent, label.to_string(), level, topics.to_vec())
        };
        let expected = [
            node(None, &found[0].1, 0, &[7, 9]),
            node(Some(0), "topic 7", 1, &[7]),
            node(Some(1), "part 1", 2, &[7]),
            node(Some(1), "part 0", 2, &[7]),
            node(Some(1), "part 3", 2, &[7]),
            node(Some(0), "topic 9", 1, &[9]),
        ];
        assert_eq!(found, expected);
        assert_eq!(
            nodes(&StoredTopics {
                joins: Vec::new(),
                parts: Vec::new(),
                ..stored
            }),
            []
        );
    }
}
