//! One run of a program: started, fed, listened to, and ended whatever it does.

use std::{
    io,
    os::fd::OwnedFd,
    process::{Child, Stdio},
    time::Duration,
};

use bytes::Bytes;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, unix::AsyncFd},
    process::{ChildStderr, ChildStdin, ChildStdout},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{interval, sleep, timeout},
};

use super::{Ended, Finished, room::Room};
use crate::execute::http::MAX_ANSWER;

/// The most that a program may say on one output before it is ended; what is beyond [`MAX_ANSWER`] is not kept.
const MAX_OUTPUT: usize = 16 * MAX_ANSWER;
/// How much of what it says on standard error is kept.
const MAX_ERRORS: usize = 4096;
/// How often its working directory is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long the kernel may take to end what was killed.
const END: Duration = Duration::from_secs(5);

/// What a program is started and bounded with.
pub(super) struct Run {
    pub(super) launcher: std::process::Command,
    pub(super) room: Room,
    /// Most bytes of storage in the room.
    pub(super) storage: u64,
    /// The spec, then the program's own input.
    pub(super) input: [Bytes; 2],
    pub(super) within: Duration,
}

impl Run {
    /// Runs it on a thread of its own: the kernel ends the program when the thread that started it ends, so that must not
    /// be one that comes and goes. When the receiver goes, so does the program. An error says that it did not start.
    pub(super) fn begin(self) -> io::Result<oneshot::Receiver<io::Result<Finished>>> {
        let (mut listener, told) = oneshot::channel();
        let thread = std::thread::Builder::new().name("command".into());
        thread.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let done = runtime.and_then(|runtime| runtime.block_on(self.attend(&mut listener)));
            // Nobody listens any more when the executor stops.
            let (Ok(()) | Err(_)) = listener.send(done);
        })?;
        Ok(told)
    }

    async fn attend(mut self, listener: &mut oneshot::Sender<io::Result<Finished>>) -> io::Result<Finished> {
        let mut child = self
            .launcher
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let watched = self.watch(&mut child, listener).await;
        Ok(watched.unwrap_or_else(|error| {
            // It may have begun, and can't be watched: it must not go on.
            kill(&mut child);
            Finished::lost(&error)
        }))
    }

    async fn watch(
        self,
        child: &mut Child,
        listener: &mut oneshot::Sender<io::Result<Finished>>,
    ) -> io::Result<Finished> {
        let missing = || io::Error::other("it has no such pipe");
        let input = ChildStdin::from_std(child.stdin.take().ok_or_else(missing)?)?;
        let output = ChildStdout::from_std(child.stdout.take().ok_or_else(missing)?)?;
        let errors = ChildStderr::from_std(child.stderr.take().ok_or_else(missing)?)?;
        let exited = watched(pidfd_open(pid(child)?, PidfdFlags::empty())?)?;
        let (full, mut is_full) = mpsc::channel(2);
        let feeding = tokio::spawn(feed(input, self.input));
        let output = tokio::spawn(listen(output, MAX_ANSWER, full.clone()));
        let errors = tokio::spawn(listen(errors, MAX_ERRORS, full));
        let mut looks = interval(LOOK);
        let late = sleep(self.within);
        tokio::pin!(late);
        let cut = loop {
            tokio::select! {
                biased;
                ready = exited.readable() => {
                    ready?.retain_ready();
                    break None;
                }
                () = &mut late => break Some(Ended::Late),
                () = listener.closed() => break Some(Ended::Stopped),
                Some(()) = is_full.recv() => break Some(Ended::TooMuch("said more than 16 MiB")),
                _ = looks.tick() => {
                    if self.room.is_over(self.storage) {
                        break Some(Ended::TooMuch("wrote more into its working directory than four times `files`"));
                    }
                }
            }
        };
        // Before it is reaped: until then its number, which is its group's, belongs to nobody else.
        kill(child);
        drop(timeout(END, exited.readable()).await.map_err(|_| unending())?);
        let status = child.wait()?;
        feeding.abort();
        let (output, errors) = (heard(output).await?, heard(errors).await?);
        Ok(Finished {
            ended: cut.unwrap_or_else(|| Ended::of(status)),
            whole: output.total <= MAX_ANSWER,
            output: output.kept,
            errors: errors.kept,
        })
    }
}

#[allow(
    deprecated,
    reason = "what is unsound with it are types that lie about their descriptor; this one owns it"
)]
fn watched(process: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(process)
}

fn pid(child: &Child) -> io::Result<Pid> {
    let raw = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    raw.ok_or_else(|| io::Error::other("it has no number"))
}

fn unending() -> io::Error {
    io::Error::other("it was killed and did not end within 5 seconds")
}

/// Ends everything in its group. What it started can't leave that: `setsid` and `setpgid` are not there for it.
fn kill(child: &mut Child) {
    if let Ok(group) = pid(child) {
        // There is no such group before the launcher made it, nor when all of it has ended.
        let (Ok(()) | Err(_)) = kill_process_group(group, Signal::KILL);
    }
    let (Ok(()) | Err(_)) = child.kill();
}

/// A program need not read what it is given.
async fn feed(mut to: ChildStdin, input: [Bytes; 2]) {
    for part in input {
        if to.write_all(&part).await.is_err() {
            return;
        }
    }
}

struct Heard<R> {
    kept: Vec<u8>,
    total: usize,
    /// Open until the program has ended: one that is closed before would end it by a signal of its own.
    from: R,
}

async fn listen<R: AsyncRead + Unpin>(from: R, keep: usize, full: mpsc::Sender<()>) -> Heard<R> {
    let mut heard = Heard {
        kept: Vec::new(),
        total: 0,
        from,
    };
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = heard.from.read(&mut chunk).await {
        heard.total = heard.total.saturating_add(read);
        let room = keep.saturating_sub(heard.kept.len());
        heard.kept.extend(chunk.iter().take(read.min(room)));
        if heard.total > MAX_OUTPUT {
            let (Ok(()) | Err(_)) = full.send(()).await;
            break;
        }
    }
    heard
}

async fn heard<R>(listening: JoinHandle<Heard<R>>) -> io::Result<Heard<R>> {
    let heard = timeout(END, listening).await.map_err(|_| unending())?;
    heard.map_err(io::Error::other)
}
