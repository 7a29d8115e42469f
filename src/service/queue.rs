//! Work by pull request: events of one pull request are joined, and never worked on by two at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

/// The most keys that wait; a hint beyond is dropped, and the sweep finds what it meant.
const MOST: usize = 100_000;
/// The most that waits to be said about one key; what is beyond is dropped, and a look finds what it meant.
const MOST_SAID: usize = 1_000;

/// A queue of keys, each with everything that was said about it since it was last taken.
#[derive(Debug)]
pub struct Queue<K, V> {
    state: Arc<Mutex<State<K, V>>>,
    bell: Arc<Notify>,
}

#[derive(Debug)]
struct State<K, V> {
    order: std::collections::VecDeque<K>,
    waiting: BTreeMap<K, Vec<V>>,
    running: BTreeSet<K>,
    closed: bool,
}

/// A key that is being worked on; dropping it lets the next events of the key through.
#[derive(Debug)]
pub struct Taken<K: Ord + Clone, V> {
    key: K,
    said: Vec<V>,
    queue: Queue<K, V>,
}

impl<K, V> Clone for Queue<K, V> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            bell: Arc::clone(&self.bell),
        }
    }
}

impl<K: Ord + Clone, V> Default for Queue<K, V> {
    fn default() -> Self {
        let state = State {
            order: std::collections::VecDeque::new(),
            waiting: BTreeMap::new(),
            running: BTreeSet::new(),
            closed: false,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            bell: Arc::new(Notify::new()),
        }
    }
}

impl<K: Ord + Clone, V> Queue<K, V> {
    /// Says something about a key. Returns whether it was taken in.
    pub fn say(&self, key: K, what: impl IntoIterator<Item = V>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed || (state.waiting.len() >= MOST && !state.waiting.contains_key(&key)) {
            return false;
        }
        if !state.waiting.contains_key(&key) {
            state.order.push_back(key.clone());
        }
        let said = state.waiting.entry(key).or_default();
        let room = MOST_SAID.saturating_sub(said.len());
        said.extend(what.into_iter().take(room));
        drop(state);
        self.bell.notify_waiters();
        self.bell.notify_one();
        true
    }

    /// Takes the next key that nobody works on; `None` once the queue is closed and empty.
    pub async fn take(&self) -> Option<Taken<K, V>> {
        loop {
            let rung = self.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let free = state.order.iter().position(|key| !state.running.contains(key));
                if let Some(key) = free.and_then(|at| state.order.remove(at)) {
                    let said = state.waiting.remove(&key).unwrap_or_default();
                    state.running.insert(key.clone());
                    return Some(Taken {
                        key,
                        said,
                        queue: self.clone(),
                    });
                }
                if state.closed && state.order.is_empty() {
                    return None;
                }
            }
            rung.await;
        }
    }

    /// Lets nothing more in; what waits is still worked on.
    pub fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.bell.notify_waiters();
        self.bell.notify_one();
    }

    /// Whether nothing more is let in.
    pub fn is_closed(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    /// Resolves once nothing more is let in.
    pub async fn closed(&self) {
        loop {
            let rung = self.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if self.is_closed() {
                return;
            }
            rung.await;
        }
    }

    /// Keys that wait or are worked on.
    pub fn depth(&self) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.len() + state.running.len()
    }

    /// Resolves once nothing waits and nothing is worked on.
    pub async fn idle(&self) {
        loop {
            let rung = self.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if self.depth() == 0 {
                return;
            }
            rung.await;
        }
    }
}

impl<K: Ord + Clone, V> Taken<K, V> {
    /// The key.
    pub const fn key(&self) -> &K {
        &self.key
    }
    /// What was said about it, in order.
    pub fn said(&mut self) -> Vec<V> {
        std::mem::take(&mut self.said)
    }
}

impl<K: Ord + Clone, V> Drop for Taken<K, V> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running.remove(&self.key);
        drop(state);
        self.queue.bell.notify_waiters();
        self.queue.bell.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn events_of_one_key_are_joined_and_never_worked_on_by_two() {
        let queue: Queue<u8, &str> = Queue::default();
        queue.say(1, ["a"]);
        queue.say(2, ["x"]);
        queue.say(1, ["b"]);
        let mut one = queue.take().await.unwrap();
        assert_eq!((*one.key(), one.said()), (1, vec!["a", "b"]));
        queue.say(1, ["c"]);
        let two = queue.take().await.unwrap();
        assert_eq!(*two.key(), 2);
        drop(one);
        let mut again = queue.take().await.unwrap();
        assert_eq!((*again.key(), again.said()), (1, vec!["c"]));
        assert_eq!(queue.depth(), 2);
        drop((two, again));
        queue.idle().await;
        queue.close();
        assert!(queue.take().await.is_none());
        assert!(!queue.say(3, ["late"]));
    }
}
