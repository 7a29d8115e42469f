//! Lines in, answered on every core, in order, in bounded memory.

use std::{
    io::{self, BufRead as _, BufReader, Read},
    thread,
};

/// Bytes read at a time.
const BUFFER: usize = 8 << 20;

/// Gives runs of lines to `work` on every core, each run to a worker of its own, and what came of them to `done` in the
/// order of the lines. Starts as soon as the input pauses, so that a script can ask and read in turn. Lines are counted
/// from 1; empty ones are left out. Errors: the input can't be read, or `work` or `done` failed.
pub(super) fn on_every_core<T: Default + Send>(
    from: impl Read,
    work: impl Fn(&mut T, u64, &[u8]) -> io::Result<()> + Sync,
    mut done: impl FnMut(T) -> io::Result<()>,
) -> io::Result<()> {
    let mut from = BufReader::with_capacity(BUFFER, from);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut number = 0;
    let (mut text, mut lines) = (Vec::new(), Vec::new());
    loop {
        text.clear();
        lines.clear();
        // The first line is waited for; then whatever is complete in the buffer goes along.
        while lines.is_empty() || from.buffer().contains(&b'\n') {
            let start = text.len();
            if from.read_until(b'\n', &mut text)? == 0 {
                break;
            }
            number += 1;
            lines.push((number, start..text.len()));
        }
        if lines.is_empty() {
            return Ok(());
        }
        let share = lines.len().div_ceil(cores);
        let text = text.as_slice();
        let run = |lines: &[(u64, std::ops::Range<usize>)]| {
            let mut one = T::default();
            for (number, range) in lines {
                let line = text.get(range.clone()).unwrap_or_default();
                if !line.iter().all(u8::is_ascii_whitespace) {
                    work(&mut one, *number, line)?;
                }
            }
            Ok::<_, io::Error>(one)
        };
        let all = thread::scope(|scope| {
            let (mine, others) = lines.split_at(share.min(lines.len()));
            let run = &run;
            let others: Vec<_> = others
                .chunks(share)
                .map(|chunk| scope.spawn(move || run(chunk)))
                .collect();
            let mut all = vec![run(mine)];
            let panicked = |_| Err(io::Error::other("a line could not be answered"));
            all.extend(
                others
                    .into_iter()
                    .map(|other| other.join().unwrap_or_else(panicked)),
            );
            all
        });
        for one in all {
            done(one?)?;
        }
    }
}
