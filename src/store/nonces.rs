//! Nonces at the agents' door: what was signed can be shown once, and only within minutes. INVARIANT i24.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::disk::{StoreError, damaged, get, io_error, names, open_private, put};
use crate::domain::ids::{AgentName, Nonce, Span, Timestamp};

/// How far an agent's clock may be from ours, either way.
const SKEW: Span = Span::seconds(300);
/// The most nonces of one agent that are remembered at a time.
const MAX_PER_AGENT: usize = 10_000;
/// The log is written anew when it has this many lines more than it needs.
const SLACK: usize = 4_096;
const LOG: &str = "seen";

/// Why a signed request is not let in.
#[derive(Debug, thiserror::Error)]
pub enum NonceError {
    /// Signed too long ago, or in the future.
    #[error("the request was signed at {signed}, more than {SKEW} from {now}; set the clock and sign again")]
    Skew {
        /// When it was signed.
        signed: Timestamp,
        /// When it came.
        now: Timestamp,
    },
    /// Shown before.
    #[error("the nonce `{0}` was used before; draw a new one for every request")]
    Used(Nonce),
    /// Too many at a time.
    #[error("agent `{0}` sent more than {MAX_PER_AGENT} requests in ten minutes; wait and try again")]
    TooMany(AgentName),
    /// It can't be remembered, so it can't be let in.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Remembers the nonces that agents used, for as long as what they signed could be shown again. Its calls wait for the
/// disk.
#[derive(Debug)]
pub struct Nonces {
    directory: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// By agent, each nonce and the moment it can be forgotten.
    agents: BTreeMap<AgentName, BTreeMap<Nonce, Timestamp>>,
    log: File,
    lines: usize,
}

impl Nonces {
    pub(super) fn open(directory: PathBuf) -> Result<Self, StoreError> {
        names(&directory)?;
        let path = directory.join(LOG);
        let (agents, lines, whole) = read(&path)?;
        if !whole {
            put(&directory, LOG, written(&agents).as_bytes())?;
        }
        let log = open_private(&path)?;
        let seen = Mutex::new(Seen { agents, log, lines });
        Ok(Self { directory, seen })
    }

    /// Lets a nonce in once; it is on the disk before this returns.
    pub fn admit(
        &self,
        agent: &AgentName,
        nonce: &Nonce,
        signed: Timestamp,
        now: Timestamp,
    ) -> Result<(), NonceError> {
        if signed.since(now).unsigned_abs() > SKEW.millis().unsigned_abs() {
            return Err(NonceError::Skew { signed, now });
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for nonces in seen.agents.values_mut() {
            nonces.retain(|_, until| *until >= now);
        }
        seen.agents.retain(|_, nonces| !nonces.is_empty());
        let nonces = seen.agents.get(agent);
        if nonces.is_some_and(|nonces| nonces.contains_key(nonce)) {
            return Err(NonceError::Used(nonce.clone()));
        }
        if nonces.is_some_and(|nonces| nonces.len() >= MAX_PER_AGENT) {
            return Err(NonceError::TooMany(agent.clone()));
        }
        // After this moment its own time keeps it out.
        let until = signed.plus(SKEW);
        let line = line(agent, nonce, until);
        let path = self.directory.join(LOG);
        seen.log
            .write_all(line.as_bytes())
            .and_then(|()| seen.log.sync_data())
            .map_err(io_error("write", &path))?;
        seen.agents
            .entry(agent.clone())
            .or_default()
            .insert(nonce.clone(), until);
        seen.lines += 1;
        self.compact(&mut seen)?;
        Ok(())
    }

    fn compact(&self, seen: &mut Seen) -> Result<(), StoreError> {
        let live: usize = seen.agents.values().map(BTreeMap::len).sum();
        if seen.lines < live + SLACK {
            return Ok(());
        }
        put(&self.directory, LOG, written(&seen.agents).as_bytes())?;
        seen.log = open_private(&self.directory.join(LOG))?;
        seen.lines = live;
        Ok(())
    }
}

fn line(agent: &AgentName, nonce: &Nonce, until: Timestamp) -> String {
    format!("{agent} {nonce} {until}\n")
}

fn written(agents: &BTreeMap<AgentName, BTreeMap<Nonce, Timestamp>>) -> String {
    let all = agents
        .iter()
        .flat_map(|(agent, nonces)| nonces.iter().map(move |(nonce, until)| (agent, nonce, until)));
    all.map(|(agent, nonce, until)| line(agent, nonce, *until))
        .collect()
}

type Remembered = (BTreeMap<AgentName, BTreeMap<Nonce, Timestamp>>, usize, bool);

/// What the log holds, how many lines, and whether it is whole: a last line without its end was never let in.
fn read(path: &Path) -> Result<Remembered, StoreError> {
    let mut agents: BTreeMap<AgentName, BTreeMap<Nonce, Timestamp>> = BTreeMap::new();
    let bytes = get(path)?.unwrap_or_default();
    let text = std::str::from_utf8(&bytes).map_err(|error| damaged(path, error))?;
    let (whole, rest) = text.rsplit_once('\n').unwrap_or(("", text));
    let mut lines = 0;
    for (number, line) in (1..).zip(whole.lines()) {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let (agent, nonce, until) = (word().parse(), word().parse(), word().parse());
        let (Ok(agent), Ok(nonce), Ok(until)) = (agent, nonce, until) else {
            return Err(damaged(
                path,
                format_args!("line {number} is not an agent, a nonce and a time"),
            ));
        };
        agents.entry(agent).or_default().insert(nonce, until);
        lines += 1;
    }
    Ok((agents, lines, rest.is_empty()))
}
