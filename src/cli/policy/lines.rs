//! Lines in, answered on every core, in order, in bounded memory.

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, BufReader, Read},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use memchr::{memchr, memchr_iter, memrchr};

/// Bytes read at a time: so many lines that handing them over costs nothing, so few that they stay in the caches.
const BUFFER: usize = 256 << 10;
/// Runs that may be done before their turn, so that no core waits for another one that is a little slower.
const EARLY: usize = 16;

/// Gives runs of lines to `work` on every core, each run to a worker of its own, and what came of them to `done` in the
/// order of the lines; `done` leaves it empty, and the worker fills it anew. Starts as soon as the input pauses, so that a script can ask and read in turn. Lines are counted
/// from 1; empty ones are left out. Errors: the input can't be read, or `work` or `done` failed.
pub(super) fn on_every_core<T: Default + Send>(
    from: impl Read + Send,
    work: impl Fn(&mut T, u64, &[u8]) -> io::Result<()> + Sync,
    done: impl FnMut(&mut T) -> io::Result<()> + Send,
) -> io::Result<()> {
    let source = Mutex::new(Source {
        from: BufReader::with_capacity(BUFFER, from),
        runs: 0,
        lines: 0,
    });
    let order = Order {
        sink: Mutex::new(Sink {
            next: 0,
            early: BTreeMap::new(),
            spare: Vec::new(),
            ended: false,
            done,
        }),
        moved: Condvar::new(),
    };
    let worker = || {
        let leaving = Leaving(&order);
        let (mut text, mut one) = (Vec::new(), T::default());
        loop {
            // Taken in a statement of its own: others read on while this run is worked on.
            let run = locked(&source).next(&mut text)?;
            let Some(run) = run else { break };
            let mut rest = text.as_slice();
            for number in run.first.. {
                let end = memchr(b'\n', rest).unwrap_or(rest.len());
                let (line, after) = rest.split_at(end);
                if !line.iter().all(u8::is_ascii_whitespace) {
                    work(&mut one, number, line)?;
                }
                let Some(after) = after.get(1..) else { break };
                rest = after;
            }
            let Some(next) = order.hand_over(run.number, one)? else {
                break;
            };
            one = next;
        }
        leaving.in_peace();
        Ok(())
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let others: Vec<_> = (1..cores).map(|_| scope.spawn(worker)).collect();
        let mut all = worker();
        for other in others {
            let panicked = |_| Err(io::Error::other("a line could not be answered"));
            all = all.and(other.join().unwrap_or_else(panicked));
        }
        all
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where lines come from.
struct Source<R> {
    from: BufReader<R>,
    runs: u64,
    lines: u64,
}

/// Some lines in a row.
struct Run {
    /// Its place among all runs, from 0.
    number: u64,
    /// The number of its first line.
    first: u64,
}

impl<R: Read> Source<R> {
    /// Reads the next run: the first line is waited for, then whatever is complete in the buffer goes along.
    fn next(&mut self, text: &mut Vec<u8>) -> io::Result<Option<Run>> {
        text.clear();
        if self.from.read_until(b'\n', text)? == 0 {
            return Ok(None);
        }
        let buffer = self.from.buffer();
        let complete = memrchr(b'\n', buffer).map_or(0, |at| at + 1);
        text.extend_from_slice(buffer.get(..complete).unwrap_or_default());
        self.from.consume(complete);
        let run = Run {
            number: self.runs,
            first: self.lines + 1,
        };
        let lines = memchr_iter(b'\n', text).count();
        self.lines += u64::try_from(lines).unwrap_or(u64::MAX);
        self.runs += 1;
        Ok(Some(run))
    }
}

/// Where answers go to, in the order of the runs.
struct Order<D, T> {
    sink: Mutex<Sink<D, T>>,
    moved: Condvar,
}

struct Sink<D, T> {
    next: u64,
    /// Runs that came before their turn.
    early: BTreeMap<u64, T>,
    /// Emptied, to be filled anew.
    spare: Vec<T>,
    /// A worker failed, so that the next run may never come.
    ended: bool,
    done: D,
}

impl<D, T> Order<D, T>
where
    T: Default,
    D: FnMut(&mut T) -> io::Result<()>,
{
    /// Hands over what came of a run, and gives something to be filled by another one; none when a run before it will
    /// not come. Waits only where too many runs came early.
    fn hand_over(&self, run: u64, one: T) -> io::Result<Option<T>> {
        let waits = |sink: &mut Sink<D, T>| sink.early.len() >= EARLY && sink.next != run && !sink.ended;
        let waited = self.moved.wait_while(locked(&self.sink), waits);
        let mut sink = waited.unwrap_or_else(PoisonError::into_inner);
        if sink.ended {
            return Ok(None);
        }
        sink.early.insert(run, one);
        let mut next = sink.next;
        while let Some(mut one) = sink.early.remove(&next) {
            (sink.done)(&mut one)?;
            sink.spare.push(one);
            next += 1;
        }
        sink.next = next;
        self.moved.notify_all();
        Ok(Some(sink.spare.pop().unwrap_or_default()))
    }
}

/// Lets nobody wait for a worker that failed or panicked.
struct Leaving<'a, D, T>(&'a Order<D, T>);

impl<D, T> Leaving<'_, D, T> {
    fn in_peace(self) {
        std::mem::forget(self);
    }
}

impl<D, T> Drop for Leaving<'_, D, T> {
    fn drop(&mut self) {
        locked(&self.0.sink).ended = true;
        self.0.moved.notify_all();
    }
}
