//! Somebody who has the gate's signing key and the app's private key, and writes what was never so.

use std::{collections::BTreeSet, num::NonZeroU32, path::Path, sync::Arc, time::Duration};

use countersign::{
    domain::{
        authentic::Committer,
        case::Case,
        entry::{
            Approver, Assurance, Delegated, Digests, Draft, Edited, EditedPart, Enacted, Event, Exception,
            Excluded, Found, Heard, Merged, Observed, Opened as OpenedEntry, Reviewed, Role, Under, When,
        },
        gate::Verdict,
        ids::{AccountId, CommentId, Digest, PullNumber, ReviewId, Sha, Span, Timestamp},
        observation::{Observation, ReviewState},
        policy::policy_digest,
        source::SourceFile,
    },
    github::{Config, GitHub},
    ledger::{Ledger, Mirror, Options, Pace, ProposalCommit, Signer},
    service::git_token,
};

use secrecy::ExposeSecret as _;

use super::clone::Clone;
use crate::world::{Opened, REPO, World, git};

pub(crate) struct Liar {
    ledger: Ledger,
    account: Box<dyn Fn(&str) -> AccountId + Send + Sync>,
    _dir: tempfile::TempDir,
}

impl Liar {
    pub(crate) async fn with_the_gate_s_key(world: &World) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = std::fs::read(world.data.path().join("secrets/gate")).unwrap();
        let signer = Signer::read(&key, Path::new("gate")).unwrap();
        let ledger = Ledger::open(Options {
            dir: dir.path().join("ledger"),
            remote: world.github.git_dir(REPO).unwrap().to_str().unwrap().to_owned(),
            token: None,
            branch: "ledger".parse().unwrap(),
            genesis: world.genesis,
            signers: vec![(Role::Gate, Arc::new(signer))],
            group_within: Duration::from_secs(1),
            pace: Arc::new(Pace::a_minute(NonZeroU32::new(6_000).unwrap())),
            committer: committer(),
            shown: Vec::new(),
        });
        let accounts: Vec<(&str, u64)> = ["alice", "bob", "carol", "dave", "erin", "root"]
            .map(|login| (login, world.github.user_id(login).unwrap()))
            .to_vec();
        Self {
            ledger: ledger.await.unwrap(),
            account: Box::new(move |login| {
                let known = accounts.iter().find(|(known, _)| *known == login);
                AccountId(known.unwrap().1)
            }),
            _dir: dir,
        }
    }

    pub(crate) async fn close(self) {
        self.ledger.close().await;
    }

    async fn append(&self, drafts: Vec<Draft>) {
        self.ledger.append(drafts).await.unwrap();
    }

    async fn case(&self, of: &Opened) -> Case {
        self.ledger.refresh().await.unwrap();
        let id = of.id.parse().unwrap();
        self.ledger.read(|book| book.case(id).cloned()).unwrap()
    }

    fn now(&self) -> Timestamp {
        self.ledger.read(|book| book.time())
    }

    async fn say(&self, of: &Opened, login: Option<&str>, event: Event) {
        let case = self.case(of).await;
        let person = login.map(|login| login.parse().unwrap());
        let draft = Draft::about(&case, Role::Gate, event, self.now());
        self.append(vec![Draft { person, ..draft }]).await;
    }

    /// A review as GitHub shows it, or one that nobody gave.
    fn review(&self, world: &World, pull: u64, login: &str) -> Reviewed {
        let live = world.github.reviews(REPO, pull).unwrap();
        let live = live.iter().find(|review| review["user"]["login"] == login);
        let given = live.map(|review| {
            let at = review["submitted_at"].as_str().unwrap().parse().unwrap();
            (review["id"].as_u64().unwrap(), at)
        });
        let (id, at) = given.unwrap_or((9_999, self.now()));
        let shown = world.github.pull(REPO, pull).unwrap();
        let sha = |side: &str| -> Sha { shown[side]["sha"].as_str().unwrap().parse().unwrap() };
        Reviewed {
            pull: None,
            review: ReviewId(id),
            account: Some((self.account)(login)),
            login: Some(login.parse().unwrap()),
            decision: ReviewState::Approved,
            head: sha("head"),
            base: sha("base"),
            commit: Some(sha("head")),
            submitted_at: at,
            reason: None,
            found: Found::Event {
                delivery: "made-up".parse().unwrap(),
            },
            requirement: None,
            progress: None,
            assurance: Assurance::GateAttested,
        }
    }

    /// Says that somebody approved.
    pub(crate) async fn approves(&self, world: &World, of: &Opened, login: &str) {
        let review = self.review(world, of.pull, login);
        self.say(of, Some(login), Event::Reviewed(review)).await;
    }

    /// Says that the gate is open.
    pub(crate) async fn finds_open(&self, of: &Opened) {
        let observed = Observed {
            when: When::Verdict,
            observation: self.observation().await,
            gate: Verdict::Open,
            because: Vec::new(),
        };
        self.say(of, None, Event::Observed(observed)).await;
    }

    /// Something that was seen once.
    async fn observation(&self) -> Box<Observation> {
        let (head, all) = self.ledger.read(|book| (book.head(), book.size()));
        let kinds = &[countersign::domain::entry::Kind::Observed];
        let seen = self
            .ledger
            .newest(head, kinds, move |seq, _| seq.0 < all)
            .await
            .unwrap();
        let found = seen.into_iter().find_map(|(_, entry)| match entry.event {
            Event::Observed(observed) => Some(observed.observation),
            _ => None,
        });
        found.unwrap()
    }

    /// Says that the pull request was merged through the gate.
    pub(crate) async fn merged(&self, world: &World, of: &Opened) {
        self.merged_as(world, of, "main").await;
    }

    /// Says that a commit is the merge.
    pub(crate) async fn merged_as(&self, world: &World, of: &Opened, commit: &str) {
        let merged = self.merge(world, of, commit);
        let head = self.case(of).await.opened.unwrap().head;
        let parents = match merged.parents.as_slice() {
            [base] => vec![*base, head],
            both => both.to_vec(),
        };
        self.say(of, None, Event::Merged(Merged { parents, ..merged }))
            .await;
    }

    fn merge(&self, world: &World, of: &Opened, commit: &str) -> Merged {
        let dir = world.github.git_dir(REPO).unwrap();
        let shown = git(&dir, &["rev-list", "--parents", "-1", commit]);
        let pull = world.github.pull(REPO, of.pull).unwrap();
        let by = pull["merged_by"]["login"].as_str().unwrap_or("root");
        let mut all = shown.split_whitespace().map(|sha| sha.parse().unwrap());
        Merged {
            sha: all.next().unwrap(),
            parents: all.collect(),
            at: self.now(),
            by: Some((self.account)(by)),
        }
    }

    /// Says that a check is departed from.
    pub(crate) async fn excepts(&self, world: &World, of: &Opened, login: &str) {
        let head = self.review(world, of.pull, login).head;
        let exception = Exception {
            check: "big".parse().unwrap(),
            reason: Some("the yearly invoice".to_owned()),
            heard: self.heard(login, 9_999, head),
        };
        self.say(of, Some(login), Event::Exception(exception)).await;
    }

    /// Says that an item is taken out, in somebody's comment.
    pub(crate) async fn excludes(&self, world: &World, of: &Opened, login: &str, item: &str, comment: u64) {
        let head = self.review(world, of.pull, login).head;
        let excluded = Excluded {
            items: vec![item.parse().unwrap()],
            reason: "paid last week".to_owned(),
            heard: self.heard(login, comment, head),
        };
        self.say(of, Some(login), Event::Excluded(excluded)).await;
    }

    /// Says that somebody edited the pull request.
    pub(crate) async fn edited(&self, of: &Opened, login: &str) {
        let edited = Edited {
            account: (self.account)(login),
            parts: BTreeSet::from([EditedPart::Title]),
            delivery: "made-up".parse().unwrap(),
        };
        self.say(of, None, Event::Edited(edited)).await;
    }

    fn heard(&self, login: &str, comment: u64, head: Sha) -> Heard {
        Heard {
            account: (self.account)(login),
            comment: CommentId(comment),
            at: self.now(),
            delivery: "made-up".parse().unwrap(),
            head,
        }
    }

    /// Says that people approved the rules which the base branch holds now.
    pub(crate) async fn enacts(&self, world: &World, of: &Opened, logins: &[&str]) {
        self.ledger.refresh().await.unwrap();
        let old = self.ledger.read(|book| book.policy());
        let digests = |policy: Digest| Digests {
            policy: Some(policy),
            ..Digests::default()
        };
        let about = |person: Option<&str>, digests, event| Draft {
            role: Role::Gate,
            person: person.map(|login| login.parse().unwrap()),
            agent: None,
            time: self.now(),
            proposal: None,
            digests,
            event,
            grouped: false,
        };
        let pull = PullNumber(of.pull);
        let mut approvers = Vec::new();
        for login in logins {
            let review = Reviewed {
                pull: Some(pull),
                ..self.review(world, of.pull, login)
            };
            for under in [Under::Old, Under::New] {
                approvers.push(Approver {
                    under,
                    person: login.parse().unwrap(),
                    account: (self.account)(login),
                    requirement: "finance".to_owned(),
                });
            }
            self.append(vec![about(Some(login), digests(old), Event::Reviewed(review))])
                .await;
        }
        let merged = self.merge(world, of, "main");
        let new = held_rules(world);
        let enacted = Enacted {
            old,
            new,
            pull,
            head: merged.parents[1],
            merged,
            approvers,
            observation: self.observation().await,
        };
        self.append(vec![about(None, digests(new), Event::Policy(enacted))])
            .await;
    }

    /// Says that somebody named a stand-in for everything, in a comment that says something else.
    pub(crate) async fn delegates(&self, owner: &str, stand_in: &str, comment: u64) {
        self.ledger.refresh().await.unwrap();
        let (now, policy) = (self.now(), self.ledger.read(|book| book.policy()));
        let said = Delegated {
            owner: owner.parse().unwrap(),
            stand_in: Some(stand_in.parse().unwrap()),
            from: now,
            until: now.plus(Span::seconds(86_400)),
            actions: Vec::new(),
            reason: None,
            account: (self.account)(owner),
            comment: CommentId(comment),
            delivery: "made-up".parse().unwrap(),
        };
        let draft = Draft {
            role: Role::Gate,
            person: Some(said.owner.clone()),
            agent: None,
            time: now,
            proposal: None,
            digests: Digests {
                policy: Some(policy),
                ..Digests::default()
            },
            event: Event::Delegated(said),
            grouped: false,
        };
        self.append(vec![draft]).await;
    }

    /// Puts another commit in the place of a proposal's, as the app that it is.
    pub(crate) async fn swaps(&self, world: &World, of: &Opened, lie: impl FnOnce(String) -> String) {
        let case = self.case(of).await;
        let github = app(world);
        let me = github.me().await.unwrap();
        let token = github.token().await.unwrap();
        let clone = Clone::made_with(world, token.expose_secret(), (me.login().as_str(), me.email()));
        let branch = case.proposal.branch();
        clone.git(&["checkout", "--quiet", &branch]);
        clone.edit(&case, lie);
        clone.git(&[
            "commit",
            "--quiet",
            "--all",
            "--amend",
            "--reset-author",
            "--no-edit",
        ]);
        clone.git(&["push", "--quiet", "--force", "origin", &branch]);
    }

    /// Merges a proposal's commit into the base branch, and changes what it brings on the way.
    pub(crate) async fn merges_with(&self, world: &World, of: &Opened, lie: impl FnOnce(String) -> String) {
        let case = self.case(of).await;
        let root = world.github.user_token("carol").unwrap();
        let clone = Clone::made_with(world, &root, ("carol", "carol@acme.example"));
        let branch = format!("origin/{}", case.proposal.branch());
        clone.git(&["merge", "--quiet", "--no-ff", "--no-commit", &branch]);
        clone.edit(&case, lie);
        clone.git(&["commit", "--quiet", "--all", "--message", "Merge"]);
        clone.git(&["push", "--quiet", "origin", "main"]);
    }

    /// Opens what was received, with another text.
    pub(crate) async fn opens(&self, world: &World, id: &str, lie: impl FnOnce(String) -> String) -> Opened {
        let of = Opened {
            id: id.to_owned(),
            pull: 0,
            agent: "campaign-agent",
        };
        let case = self.case(&of).await;
        let (branch, directory) = (case.proposal.branch(), case.proposal.directory());
        let dir = world.github.git_dir(REPO).unwrap();
        let honest = |file: &str| git(&dir, &["show", &format!("{branch}:{directory}/{file}")]);
        let (file, diff, report) = (
            honest("proposal.yaml"),
            honest("change.diff"),
            honest("report.md"),
        );
        let shown = lie(report.clone());
        assert_ne!(shown, report);
        world.person("root").delete_branch(REPO, &branch).unwrap();
        let github = app(world);
        let me = github.me().await.unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let remote = format!("{}/{REPO}.git", world.github.url());
        let token = Some(git_token(&github));
        let mirror = Mirror::open(&scratch.path().join("mirror.git"), remote, token).unwrap();
        let pushed = mirror
            .push_proposal(ProposalCommit {
                branch: branch.parse().unwrap(),
                base_branch: "main".parse().unwrap(),
                files: vec![
                    (format!("{directory}/proposal.yaml"), file.clone().into_bytes()),
                    (format!("{directory}/change.diff"), diff.into_bytes()),
                    (format!("{directory}/report.md"), shown.clone().into_bytes()),
                ],
                message: "Propose".to_owned(),
                author: Committer::new(me.login().as_str(), me.email()).unwrap(),
                at: case.proposal.created_at,
            })
            .await
            .unwrap();
        let (head, base) = (branch.parse().unwrap(), "main".parse().unwrap());
        let pull = github.open_pull(&head, &base, "Send", &shown).await.unwrap();
        let opened = OpenedEntry {
            pull,
            head: pushed.head,
            base_ref: base,
            base: pushed.base,
            branch: head,
            title: Digest::of(b"Send"),
            file: Digest::of(file.as_bytes()),
        };
        let mut draft = Draft::about(&case, Role::Gate, Event::Opened(opened), self.now());
        draft.digests.presentation = Some(Digest::of(shown.as_bytes()));
        self.append(vec![draft]).await;
        Opened { pull: pull.0, ..of }
    }
}

/// GitHub, as the app sees it.
fn app(world: &World) -> GitHub {
    GitHub::connect(Config {
        api: world.github.api_url().parse().unwrap(),
        app_id: world.app.id,
        private_key_pem: world.app.private_key_pem.clone().into(),
        repo: REPO.parse().unwrap(),
    })
    .unwrap()
}

fn committer() -> Committer {
    Committer::new("countersign[bot]", "countersign@users.noreply.github.com").unwrap()
}

/// The digest of the rules on the base branch.
fn held_rules(world: &World) -> Digest {
    let dir = world.github.git_dir(REPO).unwrap();
    let listed = git(&dir, &["ls-tree", "-r", "--name-only", "main", "policies/"]);
    let files: Vec<SourceFile> = listed
        .lines()
        .map(|path| {
            SourceFile::new(
                path.trim_start_matches("policies/"),
                git(&dir, &["show", &format!("main:{path}")]),
            )
        })
        .collect();
    policy_digest(&files)
}
