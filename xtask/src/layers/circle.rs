// SPDX-License-Identifier: MIT OR Apache-2.0
//! Circles in a graph of few nodes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a node points at.
pub(super) type Edges = BTreeMap<usize, BTreeSet<usize>>;

/// For each knot of nodes that reach each other one circle, the shortest through the knot's first node.
pub(super) fn find(edges: &Edges) -> Vec<Vec<usize>> {
    let mut circles = Vec::new();
    let mut known = BTreeSet::new();
    for &node in edges.keys() {
        if known.contains(&node) {
            continue;
        }
        let Some(circle) = shortest(edges, node) else { continue };
        let reached = reach(edges, node);
        known.extend(reached.into_iter().filter(|&other| reach(edges, other).contains(&node)));
        circles.push(circle);
    }
    circles
}

/// Everything that can be reached from a node.
fn reach(edges: &Edges, from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut todo = vec![from];
    while let Some(node) = todo.pop() {
        todo.extend(edges.get(&node).into_iter().flatten().filter(|&&next| reached.insert(next)));
    }
    reached
}

/// The shortest way from a node back to itself.
fn shortest(edges: &Edges, start: usize) -> Option<Vec<usize>> {
    let mut before: BTreeMap<usize, usize> = BTreeMap::new();
    let mut todo = VecDeque::from([start]);
    while let Some(node) = todo.pop_front() {
        for &next in edges.get(&node).into_iter().flatten() {
            if next == start {
                let mut way = vec![node];
                while let Some(&earlier) = way.last().and_then(|last| before.get(last)) {
                    way.push(earlier);
                }
                way.reverse();
                return Some(way);
            }
            if next != node && !before.contains_key(&next) {
                before.insert(next, node);
                todo.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(all: &[(usize, usize)]) -> Edges {
        let mut edges = Edges::new();
        for &(from, to) in all {
            edges.entry(from).or_default().insert(to);
        }
        edges
    }

    #[test]
    fn each_knot_is_named_once_by_its_shortest_circle() {
        assert_eq!(find(&edges(&[(0, 1), (1, 2), (0, 2)])), [[0; 0]; 0]);
        assert_eq!(find(&edges(&[(0, 1), (1, 2), (2, 0), (2, 1)])), [[0, 1, 2]]);
        let two = edges(&[(0, 1), (1, 0), (1, 2), (2, 3), (3, 4), (4, 2), (4, 3)]);
        assert_eq!(find(&two), [vec![0, 1], vec![2, 3, 4]]);
    }
}
