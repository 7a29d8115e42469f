//! Whatever is done to a ledger after it was written is found. INVARIANT i28, i03.

use std::path::Path;

use countersign::{
    domain::{
        audit::Flaw,
        authentic::{payload, signed},
        entry::Role,
        ids::{Digest, Sha},
        policy::Tier,
    },
    ledger::{Checkpoint, Report, SignedCheckpoint, Signer, verify},
};
use git2::{ObjectType, Oid, Repository};
use proptest::prelude::*;

use super::world::{Story, World, branch, committer};

/// A ledger of some lives, and its commits as raw bytes, oldest first.
struct Written {
    world: World,
    commits: Vec<String>,
    note: String,
}

fn written() -> Written {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = World::new();
    let note = runtime.block_on(async {
        let ledger = world.open("one").await;
        let mut drafts = Vec::new();
        for n in 0..2 {
            drafts.extend(Story::new(n, Tier::Medium).all());
        }
        drafts.extend((10..20).map(|n| Story::new(n, Tier::Low).received()));
        drafts.push(Story::new(30, Tier::High).received());
        ledger.append(drafts).await.unwrap();
        let note = ledger.read(|book| Checkpoint::of(book).sign(&world.keys[0].1));
        ledger.close().await;
        note
    });
    let repo = Repository::open_bare(world.remote()).unwrap();
    let mut walk = repo.revwalk().unwrap();
    walk.push_ref("refs/heads/ledger").unwrap();
    let odb = repo.odb().unwrap();
    let mut commits: Vec<String> = walk
        .map(|id| String::from_utf8(odb.read(id.unwrap()).unwrap().data().to_vec()).unwrap())
        .collect();
    commits.reverse();
    Written { world, commits, note }
}

impl Written {
    /// Writes commits one after the other onto a branch, each on the one before, and verifies that.
    fn rewritten(&self, commits: &[String]) -> Report {
        self.placed(commits, |text, _| text)
    }

    /// As [`Self::rewritten`], with every commit signed again after its parent changed.
    fn signed_again(&self, commits: &[String], key: impl Fn(usize, &str) -> Option<Signer>) -> Report {
        self.placed(commits, |text, n| {
            let (head, message) = text.split_once("\n\n").unwrap();
            match key(n, message) {
                None => text,
                Some(key) => {
                    let head = head.split_once("\ngpgsig").map_or(head, |(head, _)| head);
                    let unsigned = format!("{head}\n\n{message}");
                    let armor = key.sign(unsigned.as_bytes()).unwrap();
                    String::from_utf8(signed(&unsigned, &armor).unwrap()).unwrap()
                }
            }
        })
    }

    fn placed(&self, commits: &[String], sign: impl Fn(String, usize) -> String) -> Report {
        let repo = Repository::open_bare(self.world.remote()).unwrap();
        let mut parent: Option<Oid> = None;
        for (n, commit) in commits.iter().enumerate() {
            let text = sign(with_parent(commit, parent), n);
            parent = Some(
                repo.odb()
                    .unwrap()
                    .write(ObjectType::Commit, text.as_bytes())
                    .unwrap(),
            );
        }
        let name = "refs/heads/ledger";
        let before = repo.refname_to_id(name).unwrap();
        repo.reference(name, parent.unwrap(), true, "tamper").unwrap();
        let report = self.report();
        repo.reference(name, before, true, "back").unwrap();
        report
    }

    fn report(&self) -> Report {
        check(&self.world.remote(), self.world.begun.genesis, None)
    }

    fn key(&self, role: Role) -> Signer {
        let n = Role::ALL.iter().position(|known| *known == role).unwrap();
        Signer::from_seed([u8::try_from(n).unwrap() + 1; 32]).unwrap()
    }
}

fn check(repo: &Path, genesis: Digest, checkpoint: Option<&str>) -> Report {
    let note = checkpoint.map(|note| SignedCheckpoint::read(note).unwrap());
    verify(repo, &branch(), genesis, note.as_ref(), |_, _| {}).unwrap()
}

fn with_parent(commit: &str, parent: Option<Oid>) -> String {
    let Some(parent) = parent else {
        return commit.to_owned();
    };
    let mut lines: Vec<String> = commit.split('\n').map(str::to_owned).collect();
    assert!(lines[1].starts_with("parent "));
    lines[1] = format!("parent {parent}");
    lines.join("\n")
}

#[test]
fn i28_an_untouched_ledger_is_sound() {
    let ledger = written();
    let report = check(
        &ledger.world.remote(),
        ledger.world.begun.genesis,
        Some(&ledger.note),
    );
    assert_eq!(report.findings, []);
    assert_eq!(report.entries, 1 + 12 + 10 + 1);
    assert_eq!(report.commits, 1 + 12 + 1 + 1);
    // Copied commit by commit it is the same ledger.
    assert_eq!(ledger.rewritten(&ledger.commits).findings, []);
}

#[test]
fn i28_every_edited_byte_is_found() {
    let ledger = written();
    let commits = ledger.commits.len();
    let place = (0..commits, any::<prop::sample::Index>(), 0..8_u8);
    proptest!(ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() }, |((n, byte, bit) in place)| {
        let mut bytes = ledger.commits[n].clone().into_bytes();
        // The parent line says where it stands and is put right again when it is copied.
        let from = if n == 0 { 0 } else { bytes.windows(8).position(|w| w == b"\nauthor ").unwrap() };
        let at = from + byte.index(bytes.len() - from);
        bytes[at] ^= 1 << bit;
        if let Ok(text) = String::from_utf8(bytes) {
            let mut commits = ledger.commits.clone();
            commits[n] = text;
            prop_assert!(!ledger.rewritten(&commits).sound(), "commit {} byte {} bit {}", n, at, bit);
        }
    });
}

#[test]
fn i28_every_dropped_inserted_or_reordered_commit_is_found() {
    let ledger = written();
    let all = ledger.commits.len();
    for n in 1..all - 1 {
        let mut dropped = ledger.commits.clone();
        dropped.remove(n);
        assert!(!ledger.rewritten(&dropped).sound(), "dropped {n}");
        let mut doubled = ledger.commits.clone();
        doubled.insert(n, ledger.commits[n].clone());
        assert!(!ledger.rewritten(&doubled).sound(), "doubled {n}");
        let mut swapped = ledger.commits.clone();
        swapped.swap(n, n + 1);
        assert!(!ledger.rewritten(&swapped).sound(), "swapped {n}");
    }
}

/// Whoever holds the ledger's keys can sign what stands there anew; the entries' own chain still tells.
#[test]
fn i28_the_chain_tells_even_when_every_commit_is_signed_again() {
    let ledger = written();
    let by_actor = |_: usize, message: &str| {
        let role = if message.contains("\nActor: executor") {
            Role::Executor
        } else {
            Role::Gate
        };
        Some(ledger.key(role))
    };
    assert_eq!(ledger.signed_again(&ledger.commits, by_actor).findings, []);
    for n in 1..ledger.commits.len() - 1 {
        let mut dropped = ledger.commits.clone();
        dropped.remove(n);
        let report = ledger.signed_again(&dropped, by_actor);
        assert!(
            matches!(report.findings[0].flaw, Flaw::Sequence { .. }),
            "{}",
            report.findings[0]
        );
        let mut swapped = ledger.commits.clone();
        swapped.swap(n, n + 1);
        assert!(!ledger.signed_again(&swapped, by_actor).sound(), "swapped {n}");
        // The same entry, changed in its text, with the digest of what follows left as it was.
        let mut edited = ledger.commits.clone();
        edited[n] = edited[n].replace("\"semantics\":1", "\"semantics\":0");
        let report = ledger.signed_again(&edited, by_actor);
        assert!(
            matches!(report.findings[0].flaw, Flaw::Previous),
            "{}",
            report.findings[0]
        );
    }
}

#[test]
fn i28_a_foreign_key_is_found() {
    let ledger = written();
    let stranger = || Signer::from_seed([99; 32]).unwrap();
    for n in 1..ledger.commits.len() {
        let report = ledger.signed_again(&ledger.commits, |at, message| {
            let role = if message.contains("\nActor: executor") {
                Role::Executor
            } else {
                Role::Gate
            };
            Some(if at == n { stranger() } else { ledger.key(role) })
        });
        assert_eq!(report.findings[0].flaw, Flaw::ForeignKey(stranger().id().clone()));
    }
}

/// A key of the ledger that signs what its role may not write is found, and what it says changes nothing.
#[test]
fn i03_the_wrong_role_is_found_and_changes_nothing() {
    let ledger = written();
    // `opened` is the gate's; here the executor's key claims it, in its own name and in the gate's.
    for (claimed, key) in [
        (Role::Executor, ledger.key(Role::Executor)),
        (Role::Gate, ledger.key(Role::Executor)),
    ] {
        let n = ledger
            .commits
            .iter()
            .position(|c| c.contains("\"kind\":\"opened\""))
            .unwrap();
        let gate = ledger.key(Role::Gate);
        let mut commits = ledger.commits[..=n].to_vec();
        commits[n] = commits[n]
            .replace(gate.id().as_str(), key.id().as_str())
            .replace("\"role\":\"gate\"", &format!("\"role\":\"{claimed}\""))
            .replace("\nActor: gate", &format!("\nActor: {claimed}"));
        let report = ledger.signed_again(&commits, |at, message| {
            let role = if message.contains("\nActor: executor") {
                Role::Executor
            } else {
                Role::Gate
            };
            Some(if at == n {
                ledger.key(Role::Executor)
            } else {
                ledger.key(role)
            })
        });
        assert!(
            matches!(report.findings[0].flaw, Flaw::Role { .. }),
            "{}",
            report.findings[0]
        );
        assert_eq!(report.findings.len(), 1);
        assert_eq!(report.entries, u64::try_from(n).unwrap());
    }
}

#[tokio::test]
async fn i03_a_foreign_commit_is_inert_and_the_ledger_goes_on() {
    let world = World::new();
    let ledger = world.open("one").await;
    let story = Story::new(1, Tier::Medium);
    ledger.append(vec![story.received()]).await.unwrap();
    let repo = Repository::open_bare(world.remote()).unwrap();
    let head = repo.refname_to_id("refs/heads/ledger").unwrap();
    let tree = repo.find_commit(head).unwrap().tree_id();
    let sha = |id: Oid| id.to_string().parse::<Sha>().unwrap();
    let text = payload(
        sha(tree),
        Some(sha(head)),
        &committer(),
        super::world::at(1),
        "approved: everything\n",
    );
    let stray = repo
        .odb()
        .unwrap()
        .write(ObjectType::Commit, text.as_bytes())
        .unwrap();
    repo.reference("refs/heads/ledger", stray, true, "stray").unwrap();
    ledger
        .append(vec![story.opened(), story.approved()])
        .await
        .unwrap();
    assert_eq!(ledger.findings().len(), 1);
    assert_eq!(ledger.read(|book| book.size()), 4);
    let report = check(&world.remote(), world.begun.genesis, None);
    assert_eq!(report.entries, 4);
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].flaw, Flaw::Unsigned);
}

#[test]
fn i28_a_truncated_ledger_is_found_against_a_checkpoint() {
    let ledger = written();
    let repo = Repository::open_bare(ledger.world.remote()).unwrap();
    let shorter = repo.revparse_single("ledger~1").unwrap().id();
    repo.reference("refs/heads/ledger", shorter, true, "cut").unwrap();
    assert!(ledger.report().sound(), "nothing but a checkpoint can tell");
    let report = check(
        &ledger.world.remote(),
        ledger.world.begun.genesis,
        Some(&ledger.note),
    );
    assert_eq!(report.findings[0].flaw, Flaw::Checkpoint { size: 24 });
}

#[test]
fn a_checkpoint_counts_only_with_the_gates_signature_and_of_this_ledger() {
    let ledger = written();
    let genesis = ledger.world.begun.genesis;
    let refused = |note: &str| {
        let note = SignedCheckpoint::read(note).unwrap();
        verify(&ledger.world.remote(), &branch(), genesis, Some(&note), |_, _| {}).unwrap_err()
    };
    insta::assert_snapshot!(refused(&ledger.note.replacen("\n24\n", "\n23\n", 1)), @"the checkpoint can't be used: no signature on it is the gate's");
    insta::assert_snapshot!(refused(&ledger.note.replace("acme/approvals", "acme/other")), @"the checkpoint can't be used: it is of `countersign/acme/other/ledger`, and this ledger is `countersign/acme/approvals/ledger`");
    assert!(SignedCheckpoint::read("a\nb\n").is_err());
    // A witness may add its own signature.
    let witnessed = format!("{}\u{2014} witness.example AAAAAAAAAAAA\n", ledger.note);
    assert!(check(&ledger.world.remote(), genesis, Some(&witnessed)).sound());
}

#[test]
fn i28_changed_files_beside_the_ledger_are_found() {
    let ledger = written();
    let repo = Repository::open_bare(ledger.world.remote()).unwrap();
    let mut tree = repo.treebuilder(None).unwrap();
    tree.insert("x", repo.blob(b"x").unwrap(), 0o100_644).unwrap();
    let other = tree.write().unwrap();
    let n = ledger.commits.len() - 1;
    let mut commits = ledger.commits.clone();
    let same = commits[n].lines().next().unwrap().to_owned();
    commits[n] = commits[n].replace(&same, &format!("tree {other}"));
    let report = ledger.signed_again(&commits, |at, _| (at == n).then(|| ledger.key(Role::Gate)));
    assert_eq!(report.findings[0].flaw, Flaw::Tree);
}
