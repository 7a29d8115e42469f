//! Who wants to know the same thing at the same time asks once. Each answer was looked up after it was asked for: whoever
//! comes while somebody looks waits for the next look, which is put off a little so that more can share it.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

/// How long those who came during a look wait for others before the next. Whoever comes alone waits for nobody.
const GATHER: Duration = Duration::from_millis(50);

/// One thing to look up.
#[derive(Debug)]
pub(super) struct Together<T>(Arc<Mutex<State<T>>>);

#[derive(Debug)]
struct State<T> {
    looking: bool,
    waiting: Vec<oneshot::Sender<T>>,
}

impl<T> Default for Together<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            looking: false,
            waiting: Vec::new(),
        })))
    }
}

/// Looks as long as somebody waits; should it break off, nobody waits for it any more.
struct Looking<T>(Arc<Mutex<State<T>>>);

impl<T> Looking<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn somebody_waits(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Those who wait now; nobody looks any more when there are none.
    fn next(&self) -> Option<Vec<oneshot::Sender<T>>> {
        let mut state = self.lock();
        state.looking = !state.waiting.is_empty();
        state.looking.then(|| std::mem::take(&mut state.waiting))
    }
}

impl<T> Drop for Looking<T> {
    fn drop(&mut self) {
        let mut state = self.lock();
        if state.looking {
            state.looking = false;
            state.waiting.clear();
        }
    }
}

impl<T: Clone + Send + 'static> Together<T> {
    /// Looks, or waits for the next look; none when that breaks off.
    pub(super) async fn ask<F>(&self, look: impl Fn() -> F + Send + 'static) -> Option<T>
    where
        F: Future<Output = T> + Send,
    {
        let (tell, told) = oneshot::channel();
        let first = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.waiting.push(tell);
            !std::mem::replace(&mut state.looking, true)
        };
        if first {
            let looking = Looking(Arc::clone(&self.0));
            // On a task of its own: whoever asked first may stop waiting.
            tokio::spawn(async move {
                while let Some(waiting) = looking.next() {
                    let seen = look().await;
                    for one in waiting {
                        // Whoever stopped waiting needs no answer.
                        let (Ok(()) | Err(_)) = one.send(seen.clone());
                    }
                    if looking.somebody_waits() {
                        tokio::time::sleep(GATHER).await;
                    }
                }
            });
        }
        told.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn whoever_comes_while_somebody_looks_waits_for_the_next_look() {
        let (together, looks) = (Arc::new(Together::default()), Arc::new(AtomicU32::new(0)));
        let gate = Arc::new(Semaphore::new(0));
        let ask = || {
            let (together, looks, gate) = (Arc::clone(&together), Arc::clone(&looks), Arc::clone(&gate));
            tokio::spawn(async move {
                let look = move || {
                    let (looks, gate) = (Arc::clone(&looks), Arc::clone(&gate));
                    async move {
                        let number = looks.fetch_add(1, Ordering::SeqCst) + 1;
                        gate.acquire().await.unwrap().forget();
                        number
                    }
                };
                together.ask(look).await
            })
        };
        let first = ask();
        while looks.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let others: Vec<_> = (0..10).map(|_| ask()).collect();
        while together.0.lock().unwrap().waiting.len() < 10 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(2);
        assert_eq!(first.await.unwrap(), Some(1));
        for other in others {
            assert_eq!(other.await.unwrap(), Some(2));
        }
        assert_eq!(looks.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_look_that_breaks_off_keeps_nobody_waiting() {
        let together: Together<u32> = Together::default();
        let broken = together.ask(|| async { panic!("broke off") }).await;
        assert_eq!(broken, None);
        assert_eq!(together.ask(|| async { 7 }).await, Some(7));
    }
}
