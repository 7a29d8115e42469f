//! Answers kept for conditional requests: a 304 costs nothing of the budget. INVARIANT i31.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;

/// All kept bodies together, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;
/// One kept body, in bytes.
const LARGEST_ONE: usize = 1024 * 1024;

/// One kept answer.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) etag: String,
    pub(super) body: Bytes,
    pub(super) link: Option<String>,
}

/// The newest answers of one installation, bounded; the oldest go first. A caller holds what it was given, so an answer
/// that goes in between is still there when the 304 arrives.
#[derive(Debug, Default)]
pub(super) struct Etags {
    kept: HashMap<String, Arc<Kept>>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Etags {
    pub(super) fn get(&self, path: &str) -> Option<Arc<Kept>> {
        self.kept.get(path).map(Arc::clone)
    }

    pub(super) fn put(&mut self, path: &str, kept: Kept) {
        if kept.body.len() > LARGEST_ONE {
            return;
        }
        self.bytes += kept.body.len();
        match self.kept.insert(path.to_owned(), Arc::new(kept)) {
            Some(old) => self.bytes -= old.body.len(),
            None => self.order.push_back(path.to_owned()),
        }
        while self.bytes > LARGEST {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            if let Some(gone) = self.kept.remove(&oldest) {
                self.bytes -= gone.body.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(size: usize) -> Kept {
        Kept {
            etag: "e".into(),
            body: Bytes::from(vec![b' '; size]),
            link: None,
        }
    }

    #[test]
    fn the_oldest_go_when_it_is_full_and_what_is_held_stays() {
        let mut etags = Etags::default();
        etags.put("/0", kept(LARGEST_ONE));
        let held = etags.get("/0").unwrap();
        for i in 1..=16 {
            etags.put(&format!("/{i}"), kept(LARGEST_ONE));
        }
        assert!(etags.get("/0").is_none());
        assert!(etags.get("/16").is_some());
        assert_eq!(held.body.len(), LARGEST_ONE);
        assert_eq!(etags.bytes, LARGEST);
    }

    #[test]
    fn one_path_is_counted_once_and_a_huge_body_not_at_all() {
        let mut etags = Etags::default();
        etags.put("/a", kept(10));
        etags.put("/a", kept(20));
        etags.put("/b", kept(LARGEST_ONE + 1));
        assert_eq!(etags.bytes, 20);
        assert!(etags.get("/b").is_none());
    }
}
