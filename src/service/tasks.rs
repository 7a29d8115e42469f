//! Work beside the queue, counted so that a shutdown can wait for it.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

/// Tasks that are under way.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    running: Arc<AtomicUsize>,
    bell: Arc<Notify>,
}

struct Running(Tasks);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.bell.notify_waiters();
    }
}

impl Tasks {
    /// Starts one.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.running.fetch_add(1, Ordering::SeqCst);
        let guard = Running(self.clone());
        tokio::spawn(async move {
            task.await;
            drop(guard);
        });
    }

    /// Resolves once none is under way.
    pub async fn idle(&self) {
        loop {
            let rung = self.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if self.running.load(Ordering::SeqCst) == 0 {
                return;
            }
            rung.await;
        }
    }
}
