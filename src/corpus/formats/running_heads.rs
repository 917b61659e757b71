//! Lines that stand at the top or bottom of every page of a document: its title, who made it, the page's number.

use std::collections::HashMap;

/// How many lines of a page's top and bottom may be such ones.
const EDGE: usize = 3;

/// The longest, in bytes.
const LONGEST: usize = 200;

/// Takes them out of the texts of pages. Every other line stays as it is.
pub(super) fn without(pages: &[String]) -> Vec<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for page in pages {
        let mut shapes: Vec<String> = edges(page)
            .into_iter()
            .map(|(_, line)| shape(line))
            .collect();
        shapes.sort_unstable();
        shapes.dedup();
        for shape in shapes {
            *counts.entry(shape).or_default() += 1;
        }
    }
    // Left and right pages may have their own.
    let enough = (pages.len() * 2 / 5).max(3);
    let is_head = |line: &str| {
        let shape = shape(line);
        let count = counts.get(&shape).copied().unwrap_or(0);
        count >= enough || count >= 2 && count == pages.len() && shape.contains('#')
    };
    pages
        .iter()
        .map(|page| {
            let heads: Vec<usize> = edges(page)
                .into_iter()
                .filter(|(_, line)| is_head(line))
                .map(|(at, _)| at)
                .collect();
            if heads.is_empty() {
                return page.clone();
            }
            let lines = page
                .lines()
                .enumerate()
                .filter(|(at, _)| !heads.contains(at));
            lines.map(|(_, line)| line).collect::<Vec<_>>().join("\n")
        })
        .collect()
}

/// The first and last lines of a page that are not blank, and where they stand.
fn edges(page: &str) -> Vec<(usize, &str)> {
    let lines: Vec<(usize, &str)> = page
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .collect();
    let bottom = lines.len().saturating_sub(EDGE).max(EDGE.min(lines.len()));
    let edges = lines.iter().take(EDGE).chain(&lines[bottom..]);
    edges
        .filter(|(_, line)| line.len() <= LONGEST)
        .copied()
        .collect()
}

/// A line without what differs between pages, its number.
fn shape(line: &str) -> String {
    let mut out = String::new();
    for word in line.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        for c in word.chars() {
            let c = if c.is_ascii_digit() { '#' } else { c };
            if c != '#' || !out.ends_with('#') {
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn lines_of_every_page_go() {
        let page = |n: u32, text: &str| {
            format!("Harbour Report 2024\n\n{text}\nIt goes on {n}.\n\nPage {n} of 12\n")
        };
        let pages: Vec<String> = (1..=12)
            .map(|n| page(n, &format!("Text {} here.", "x".repeat(n as usize))))
            .collect();
        let left = without(&pages);
        for (n, page) in left.iter().enumerate() {
            assert!(!page.contains("Report") && !page.contains("Page"), "{page}");
            assert!(
                page.contains(&format!("Text {} here.", "x".repeat(n + 1))),
                "{page}"
            );
        }
        // What is alike in two pages of many is none.
        let mut pages: Vec<String> = (0..8)
            .map(|n| format!("Only {}\n", "y".repeat(n)))
            .collect();
        pages[3] = "The same line\n".to_string();
        pages[4] = "The same line\n".to_string();
        assert_eq!(without(&pages), pages);
        // Of two pages, only what is numbered.
        let two = [
            "A title\nOne.\n1\n".to_string(),
            "A title\nTwo.\n2\n".to_string(),
        ];
        assert_eq!(without(&two), ["A title\nOne.", "A title\nTwo."]);
        assert_eq!(without(&["1\n".to_string()]), ["1\n"]);
    }
}
