//! One record of the ledger: what happened, who did it, and the digests it happened to.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer, de};
use serde_json::value::RawValue;

mod body;
mod command;
mod credential;
mod erasure;
mod execution;
mod freeze;
mod rules;
mod watched;

pub use body::{
    Assurance, Cancelled, Delegated, Denied, Edited, EditedPart, Expired, Found, Genesis, Incident, Merged,
    Observed, Opened, Received, Refusal, Reminded, Reviewed, Superseded, Via, VoidReason, Voided, When,
};
pub use command::{Exception, Excluded, Heard, Withdrawn};
pub use credential::Credential;
pub use erasure::{Destroyed, Erased};
pub use execution::{ClaimedBy, Finished, Outcome, Started, StepResult, Took, Unknown};
pub use freeze::{Frozen, Resolution, Resolved, Said, Scope, Thawed};
pub use rules::{Approver, Enacted, Stray, Under};
pub use watched::Watched;

use super::{
    canonical::{NotCanonical, canonical_text},
    ids::{AgentName, Digest, KeyId, PersonName, ProposalId, Seq, Timestamp},
};

/// The version of the rules that entries are decided under; every entry names the one it was made with.
pub const SEMANTICS: u32 = 1;
/// The longest entry that is read, in bytes.
pub const MAX_ENTRY: usize = 4 * 1024 * 1024;

/// A role that writes entries, with a key of its own. INVARIANT i03.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Talks to agents and GitHub.
    Gate,
    /// Acts.
    Executor,
    /// Serves passkey pages.
    StepUp,
    /// Reads protection settings.
    Watch,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Gate, Self::Executor, Self::StepUp, Self::Watch];
    /// The role's name, as entries spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Executor => "executor",
            Self::StepUp => "step_up",
            Self::Watch => "watch",
        }
    }
}
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal by $($role:ident)|+;)+) => {
        /// What an entry records.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind { $($(#[$doc])* $name),+ }
        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),+];
            /// The kind's name, as entries and trailers spell it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
            /// Whether a role may write this kind. INVARIANT i03.
            pub const fn written_by(self, role: Role) -> bool {
                match self { $(Self::$name => matches!(role, $(Role::$role)|+)),+ }
            }
        }
    };
}

kinds! {
    /// The root: policy tree and role keys.
    Genesis = "genesis" by Gate;
    /// A policy came into force.
    Policy = "policy" by Gate;
    /// A role key was added or retired.
    Key = "key" by Gate;
    /// A proposal arrived.
    Received = "received" by Gate;
    /// A proposal was refused at the door.
    Refused = "refused" by Gate;
    /// Its pull request was opened.
    Opened = "opened" by Gate;
    /// A person reviewed it.
    Reviewed = "reviewed" by Gate;
    /// An approver excluded items.
    Excluded = "excluded" by Gate;
    /// Somebody edited its pull request.
    Edited = "edited" by Gate;
    /// An approver's passkey.
    StepUp = "step_up" by StepUp;
    /// A failed check was departed from.
    Exception = "exception" by Gate;
    /// An exception was taken back.
    Withdrawn = "withdrawn" by Gate;
    /// A person named a stand-in.
    Delegated = "delegated" by Gate;
    /// Reviewers were reminded.
    Reminded = "reminded" by Gate;
    /// Further reviewers were asked.
    Escalated = "escalated" by Gate;
    /// What was shown or held is not what was proposed.
    Voided = "voided" by Gate | Executor;
    /// A person said no.
    Denied = "denied" by Gate;
    /// Nobody said yes in time.
    Expired = "expired" by Gate;
    /// Its agent took it back.
    Cancelled = "cancelled" by Gate;
    /// A later proposal took its place.
    Superseded = "superseded" by Gate;
    /// It was merged through an open gate.
    Merged = "merged" by Gate;
    /// It was merged around the gate.
    Bypassed = "bypassed" by Gate | Executor;
    /// The rules changed between approval and merge.
    PolicyChanged = "policy_changed" by Gate | Executor;
    /// It was merged and is refused after all.
    RefusedAfterMerge = "refused_after_merge" by Gate | Executor;
    /// What was seen when the verdict changed.
    Observed = "observed" by Gate | Executor;
    /// An executor began.
    Started = "started" by Executor;
    /// One step ended.
    Step = "step" by Executor;
    /// A step was taken back.
    Undone = "undone" by Executor;
    /// It ended.
    Finished = "finished" by Executor;
    /// It may or may not have run.
    Unknown = "unknown" by Executor;
    /// A person settled an unknown.
    Resolved = "resolved" by Gate;
    /// A person looked at a low-risk action afterwards.
    Sampled = "sampled" by Gate;
    /// Something that needs a person.
    Incident = "incident" by Gate | Executor | Watch;
    /// An action moved to another tier.
    Promoted = "promoted" by Gate;
    /// A standing permission.
    Mandate = "mandate" by Gate;
    /// Execution was stopped.
    Frozen = "frozen" by Gate;
    /// Execution may go on.
    Thawed = "thawed" by Executor;
    /// A proposal's data key was destroyed.
    Erased = "erased" by Gate;
    /// How the branches are protected.
    Protection = "protection" by Watch;
    /// The ledger's head was noted outside.
    Checkpoint = "checkpoint" by Gate;
    /// The ledger goes on in another branch.
    Continued = "continued" by Gate;
    /// Something may be missing here.
    Gap = "gap" by Gate | Executor;
}
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A role's key, and the first ledger position it may sign. INVARIANT i03.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleKey {
    /// The role.
    pub role: Role,
    /// The public key in OpenSSH form, without a comment.
    pub key: String,
    /// Valid from this position.
    pub from: Seq,
    /// Not valid at or after this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Seq>,
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident($body:ty)),+ $(,)?) => {
        /// What happened. Its name is the entry's `kind`, its fields are the entry's `body`.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Event { $($(#[$doc])* $name($body)),+ }

        impl Event {
            /// The entry's kind.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$name(_) => Kind::$name),+ }
            }
            fn read(kind: Kind, body: &RawValue) -> Result<Self, serde_json::Error> {
                match kind {
                    $(Kind::$name => serde_json::from_str(body.get()).map(Self::$name),)+
                    other => Err(de::Error::custom(format_args!("kind `{other}` has no body in semantics {SEMANTICS}"))),
                }
            }
        }
    };
}

events! {
    /// The ledger begins. INVARIANT i01.
    Genesis(Genesis),
    /// Other rules came into force. INVARIANT i02.
    Policy(Enacted),
    /// A proposal arrived and was assessed.
    Received(Received),
    /// Its pull request was opened.
    Opened(Opened),
    /// A person reviewed it.
    Reviewed(Reviewed),
    /// An approver excluded items.
    Excluded(Excluded),
    /// Somebody edited its pull request. INVARIANT i08.
    Edited(Edited),
    /// A failed check was departed from.
    Exception(Exception),
    /// Whoever departed from it took that back.
    Withdrawn(Withdrawn),
    /// The verdict changed, or was taken at merge or start.
    Observed(Observed),
    /// A person named a stand-in, or took that back.
    Delegated(Delegated),
    /// The responsible reviewers were reminded.
    Reminded(Reminded),
    /// The gate stayed shut for too long.
    Escalated(Reminded),
    /// It can no longer be approved as proposed.
    Voided(Voided),
    /// A person closed it.
    Denied(Denied),
    /// Nobody opened the gate in time.
    Expired(Expired),
    /// Its agent took it back.
    Cancelled(Cancelled),
    /// A later proposal took its place.
    Superseded(Superseded),
    /// It was merged through an open gate.
    Merged(Merged),
    /// It was merged around the gate.
    Bypassed(Refusal),
    /// The rules in force are not the ones it was opened under.
    PolicyChanged(Refusal),
    /// It was merged and is refused after all. INVARIANT i15.
    RefusedAfterMerge(Refusal),
    /// An executor began. INVARIANT i16.
    Started(Started),
    /// A step of an action of several ended.
    Step(Took),
    /// A step was taken back. INVARIANT i21.
    Undone(Took),
    /// It ended.
    Finished(Finished),
    /// It may or may not have run. INVARIANT i21.
    Unknown(Unknown),
    /// A person found out what became of it. INVARIANT i21.
    Resolved(Resolved),
    /// A person stopped executions. INVARIANT i22.
    Frozen(Frozen),
    /// An executed proposal lets them go on. INVARIANT i22.
    Thawed(Thawed),
    /// Something needs a person.
    Incident(Incident),
    /// Its key and the answers to it are destroyed. INVARIANT i29.
    Erased(Erased),
    /// Base branch and ledger became strong enough, or too weak. INVARIANT i31.
    Protection(Watched),
}

/// Who acted: the role's key that signs, and the person or agent behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// The agent that acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// The key that signs.
    pub key: KeyId,
    /// The person who acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonName>,
    /// The role.
    pub role: Role,
}

/// What an entry happened to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    /// `sha256(JCS(binding))`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Digest>,
    /// The execution plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Digest>,
    /// The active `policies/` tree; in `policy`, the one that is active from there on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Digest>,
    /// `sha256(report.md)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presentation: Option<Digest>,
}

/// What somebody wants recorded; sequence, previous digest, time and key are given when it is appended.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The role that writes it.
    pub role: Role,
    /// The person who acted.
    pub person: Option<PersonName>,
    /// The agent that acted.
    pub agent: Option<AgentName>,
    /// When it happened; never before the entry in front of it once appended. INVARIANT i30.
    pub time: Timestamp,
    /// The proposal it is about.
    pub proposal: Option<ProposalId>,
    /// What it happened to.
    pub digests: Digests,
    /// What happened.
    pub event: Event,
    /// May share a commit with its neighbours and wait for its group (low tier). INVARIANT i16.
    pub grouped: bool,
}

/// One record of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its place; the genesis entry is 0.
    pub seq: Seq,
    /// SHA-256 of the previous entry's bytes; `None` for the genesis entry.
    pub previous: Option<Digest>,
    /// When it happened.
    pub time: Timestamp,
    /// [`SEMANTICS`] at the time.
    pub semantics: u32,
    /// Who acted.
    pub actor: Actor,
    /// The proposal it is about.
    pub proposal: Option<ProposalId>,
    /// What it happened to.
    pub digests: Digests,
    /// What happened.
    pub event: Event,
}

#[derive(Serialize)]
struct Written<'a> {
    actor: &'a Actor,
    body: &'a Event,
    digests: &'a Digests,
    kind: Kind,
    previous: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proposal: Option<ProposalId>,
    semantics: u32,
    seq: Seq,
    time: Timestamp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read<'a> {
    seq: Seq,
    previous: Option<Digest>,
    kind: Kind,
    time: Timestamp,
    semantics: u32,
    actor: Actor,
    #[serde(default)]
    proposal: Option<ProposalId>,
    digests: Digests,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Entry {
    /// The entry's one line: canonical JSON (RFC 8785) without a line end.
    pub fn line(&self) -> Result<String, NotCanonical> {
        canonical_text(self)
    }

    /// Reads one line; unknown fields and kinds without a body are refused.
    pub fn read(line: &str) -> Result<Self, serde_json::Error> {
        let read: Read<'_> = serde_json::from_str(line)?;
        Ok(Self {
            seq: read.seq,
            previous: read.previous,
            time: read.time,
            semantics: read.semantics,
            actor: read.actor,
            proposal: read.proposal,
            digests: read.digests,
            event: Event::read(read.kind, read.body)?,
        })
    }

    /// What the entry records.
    pub const fn kind(&self) -> Kind {
        self.event.kind()
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Written {
            seq: self.seq,
            previous: self.previous,
            kind: self.kind(),
            time: self.time,
            semantics: self.semantics,
            actor: &self.actor,
            proposal: self.proposal,
            digests: &self.digests,
            body: &self.event,
        }
        .serialize(to)
    }
}
