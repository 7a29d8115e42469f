//! A bare remote, role keys, and drafts to record.

use std::{path::PathBuf, sync::Arc, time::Duration};

use countersign::{
    domain::{
        assess::{Assessment, TierReason, TierRule},
        authentic::Committer,
        canonical::digest_of,
        entry::{
            Assurance, ClaimedBy, Digests, Draft, Event, Finished, Found, Genesis, Merged, Opened, Outcome,
            Received, Reviewed, Role, Started, Via,
        },
        ids::{AccountId, BranchName, Digest, ProposalId, PullNumber, ReviewId, Sha, Span, Timestamp},
        observation::ReviewState,
        policy::Tier,
        proposal::{
            AgentProof, Attestation, Binding, Item, Proposal, ProposalParts, Provenance, Target, Validity,
        },
        totals::Totals,
    },
    ledger::{Begun, Init, Ledger, Options, Pace, Signer, Token, init},
};
use serde_json::json;
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) root: TempDir,
    pub(crate) keys: Vec<(Role, Arc<Signer>)>,
    pub(crate) begun: Begun,
    pub(crate) address: String,
    pub(crate) token: Option<Token>,
}

pub(crate) fn committer() -> Committer {
    Committer::new("countersign[bot]", "bot@countersign.example").unwrap()
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + seconds * 1000)
}

impl World {
    /// A ledger that has begun on a bare repository.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let remote = root.path().join("remote.git");
        git2::Repository::init_bare(&remote).unwrap();
        let address = remote.to_str().unwrap().to_owned();
        Self::begin(root, address, None)
    }

    /// A ledger that has begun on a remote.
    pub(crate) fn begin(root: TempDir, address: String, token: Option<Token>) -> Self {
        let keys: Vec<(Role, Arc<Signer>)> = Role::ALL
            .iter()
            .zip(1..)
            .map(|(role, n)| (*role, Arc::new(Signer::from_seed([n; 32]).unwrap())))
            .collect();
        let genesis = Genesis {
            repository: "acme/approvals".parse().unwrap(),
            base: "main".parse().unwrap(),
            ledger: "ledger".parse().unwrap(),
            policy: Digest::of(b"policy"),
            keys: keys.iter().map(|(role, key)| key.role_key(*role)).collect(),
            nonce: Digest::of(b"nonce"),
        };
        let begin = Init {
            dir: root.path().join("init"),
            genesis,
            gate: &keys[0].1,
            committer: committer(),
            at: at(0),
        };
        let begun = init(begin, &address, token.clone()).unwrap();
        Self {
            root,
            keys,
            begun,
            address,
            token,
        }
    }

    pub(crate) fn remote(&self) -> PathBuf {
        self.root.path().join("remote.git")
    }

    pub(crate) fn options(&self, dir: &str) -> Options {
        Options {
            dir: self.root.path().join(dir),
            remote: self.address.clone(),
            token: self.token.clone(),
            branch: branch(),
            genesis: self.begun.genesis,
            signers: self.keys.clone(),
            group_within: Duration::from_secs(10),
            pace: Arc::new(Pace::new(Duration::ZERO, 2)),
            committer: committer(),
            shown: Vec::new(),
        }
    }

    pub(crate) fn key(&self, role: Role) -> &Signer {
        &self.keys.iter().find(|(known, _)| *known == role).unwrap().1
    }

    pub(crate) async fn open(&self, dir: &str) -> Ledger {
        Ledger::open(self.options(dir)).await.unwrap()
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = std::process::Command::new("git")
            .args(args)
            .current_dir(self.remote())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {text}{error}");
        text
    }
}

pub(crate) fn branch() -> BranchName {
    "ledger".parse().unwrap()
}

/// A proposal's story, told in drafts.
#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) proposal: Proposal,
    pub(crate) tier: Tier,
    n: u32,
}

impl Story {
    pub(crate) fn new(n: u32, tier: Tier) -> Self {
        let made = at(i64::from(n));
        let proposal = Proposal::new(ProposalParts {
            id: ProposalId::from_parts(made, u128::from(n)),
            spec_version: 1,
            created_at: made,
            expires_at: made.plus(Span::seconds(86_400)),
            idempotency_key: format!("key-{n}").parse().unwrap(),
            supersedes: None,
            nonce: format!("nonce-0123456789-{n}").parse().unwrap(),
            asked_expiry: None,
            proof: AgentProof::GateAttested {
                by: Attestation::Hmac,
            },
            binding: Binding {
                operation: "payments.create".parse().unwrap(),
                agent: format!("agent-{}", n % 50).parse().unwrap(),
                sponsor: "sam".parse().unwrap(),
                target: Target {
                    system: "bank".into(),
                    resource: "/payments/suppliers/{supplier_id}".into(),
                    schema_digest: Digest::of(b"schema"),
                },
                items: vec![Item {
                    id: "1".parse().unwrap(),
                    parameters: json!({
                        "supplier_id": format!("acme-{n}"),
                        "amount": {"minor": 1_250_000 + n, "currency": "EUR"},
                    }),
                    observed_digest: None,
                }],
                valid: Validity {
                    from: made,
                    until: made.plus(Span::seconds(90_000)),
                },
                rolls_back: None,
            },
            summary: format!("pay ACME Ltd {n} 12,500.00 EUR"),
            defaulted: Default::default(),
            sealed: Vec::new(),
            observed: Vec::new(),
            dry_runs: Vec::new(),
            claimed: serde_json::Map::new(),
            justification: "The invoice is due; «größe» \u{2028} \"quoted\"\n\nsecond paragraph".into(),
            exceptions: Vec::new(),
            rollback_plan: None,
            provenance: Provenance::default(),
        })
        .unwrap();
        Self { proposal, tier, n }
    }

    fn draft(&self, role: Role, event: Event) -> Draft {
        Draft {
            role,
            person: None,
            agent: None,
            time: at(i64::from(self.n)),
            proposal: Some(self.proposal.id),
            digests: Digests {
                action: Some(self.proposal.action_digest()),
                ..Digests::default()
            },
            event,
            grouped: self.tier == Tier::Low,
        }
    }

    pub(crate) fn received(&self) -> Draft {
        let mut draft = self.draft(
            Role::Gate,
            Event::Received(Received {
                proposal: Arc::new(self.proposal.clone()),
                assessment: Assessment {
                    tier: self.tier,
                    reasons: vec![TierReason {
                        tier: self.tier,
                        because: TierRule::Rule(1),
                    }],
                    checks: Vec::new(),
                    totals: Totals::default(),
                },
                via: Via::Api,
            }),
        );
        draft.agent = Some(self.proposal.binding.agent.clone());
        draft.digests.policy = Some(Digest::of(b"policy"));
        draft
    }

    pub(crate) fn opened(&self) -> Draft {
        let mut draft = self.draft(
            Role::Gate,
            Event::Opened(Opened {
                pull: PullNumber(u64::from(self.n)),
                head: Sha::from_bytes([1; 20]),
                base_ref: "main".parse().unwrap(),
                base: Sha::from_bytes([2; 20]),
                branch: self.proposal.branch().parse().unwrap(),
                title: Digest::of(b"title"),
                file: Digest::of(b"file"),
            }),
        );
        draft.digests.presentation = Some(Digest::of(b"report"));
        draft
    }

    pub(crate) fn approved(&self) -> Draft {
        let mut draft = self.draft(
            Role::Gate,
            Event::Reviewed(Reviewed {
                pull: None,
                review: ReviewId(u64::from(self.n) + 7),
                account: Some(AccountId(17)),
                login: Some("alice".parse().unwrap()),
                decision: ReviewState::Approved,
                head: Sha::from_bytes([1; 20]),
                base: Sha::from_bytes([2; 20]),
                commit: None,
                submitted_at: at(i64::from(self.n)),
                reason: None,
                found: Found::Event {
                    delivery: format!("d-{}", self.n).parse().unwrap(),
                },
                requirement: Some("finance".into()),
                progress: Some((1, 1)),
                assurance: Assurance::GateAttested,
            }),
        );
        draft.person = Some("alice".parse().unwrap());
        draft
    }

    pub(crate) fn merged(&self) -> Draft {
        self.draft(
            Role::Gate,
            Event::Merged(Merged {
                sha: Sha::from_bytes([3; 20]),
                parents: vec![Sha::from_bytes([2; 20]), Sha::from_bytes([1; 20])],
                at: at(i64::from(self.n)),
                by: Some(AccountId(17)),
            }),
        )
    }

    pub(crate) fn started(&self) -> Draft {
        let claim = if self.tier == Tier::Low {
            ClaimedBy::Outbox
        } else {
            ClaimedBy::Ledger
        };
        let mut draft = self.draft(
            Role::Executor,
            Event::Started(Started {
                resumable: false,
                thaws: None,
                instance: "one".parse().unwrap(),
                deadline: at(i64::from(self.n) + 60),
                attempt: 1,
                idempotency_key: self.proposal.id.to_string(),
                claim,
                excluded: Vec::new(),
            }),
        );
        draft.digests.plan = Some(digest_of("plan").unwrap());
        draft
    }

    pub(crate) fn finished(&self) -> Draft {
        self.draft(
            Role::Executor,
            Event::Finished(Finished {
                instance: "one".parse().unwrap(),
                outcome: Outcome::Executed,
                steps: Vec::new(),
                credentials: Vec::new(),
            }),
        )
    }

    /// The whole life, in order.
    pub(crate) fn all(&self) -> Vec<Draft> {
        if self.tier == Tier::Low {
            return vec![self.received(), self.started(), self.finished()];
        }
        vec![
            self.received(),
            self.opened(),
            self.approved(),
            self.merged(),
            self.started(),
            self.finished(),
        ]
    }
}
