//! What is written down of a book: read at the next start, gone on with, and not believed when anything about it is wrong.

use std::{fs, path::PathBuf, sync::Arc};

use countersign::{
    domain::{
        entry::Role,
        ids::{Digest, Sha},
        policy::Tier,
    },
    ledger::{Indexed, Ledger, LedgerError, NoIndex, RebuildError, Signer, index_of, rebuild_index},
};

use super::world::{Story, World, branch};

impl World {
    fn image(&self) -> PathBuf {
        self.root.path().join("one/book.json")
    }
    fn cases(&self) -> PathBuf {
        self.root.path().join("one/cases.jsonl")
    }
    fn index(&self) -> Result<Indexed, NoIndex> {
        index_of(
            &self.root.path().join("one"),
            self.begun.genesis,
            (Role::Gate, self.key(Role::Gate)),
        )
    }
    fn rebuild(&self) -> Result<Indexed, RebuildError> {
        self.rebuild_as(self.begun.genesis)
    }
    fn rebuild_as(&self, genesis: Digest) -> Result<Indexed, RebuildError> {
        let dir = self.root.path().join("one");
        rebuild_index(
            &dir,
            &branch(),
            genesis,
            (Role::Gate, self.key(Role::Gate)),
            |_, _| {},
        )
    }
    /// The commit so many before the newest.
    fn before(&self, commits: usize) -> String {
        self.git(&["rev-parse", &format!("ledger~{commits}")])
            .trim()
            .to_owned()
    }
    fn put(&self, commit: &str) {
        self.git(&["update-ref", "refs/heads/ledger", commit]);
    }
}

/// Opens the ledger again and closes it: what was written since is written down.
async fn again(world: &World) -> u64 {
    let ledger = world.open("one").await;
    let indexed = ledger.indexed();
    assert_eq!(ledger.findings(), []);
    folded(world, &ledger).await;
    ledger.close().await;
    indexed
}

/// The book is the one that a directory without an index folds.
async fn folded(world: &World, ledger: &Ledger) {
    let fresh = world.root.path().join("fresh");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).unwrap();
    }
    let other = world.open("fresh").await;
    assert_eq!(other.indexed(), 0);
    let book = other.read(Clone::clone);
    assert!(ledger.read(|ours| *ours == book), "not the book that was folded");
    other.close().await;
}

/// Ten lives, two of them not at their end; 56 entries with the first.
async fn lived() -> World {
    let world = World::new();
    let ledger = world.open("one").await;
    for n in 1..=8 {
        let tier = if n % 4 == 0 { Tier::Low } else { Tier::Medium };
        ledger.append(Story::new(n, tier).all()).await.unwrap();
    }
    for n in 9..=10 {
        let mut drafts = Story::new(n, Tier::Medium).all();
        drafts.truncate(3);
        ledger.append(drafts).await.unwrap();
    }
    ledger.close().await;
    world
}

#[tokio::test]
async fn a_start_reads_what_was_written_down_and_folds_the_rest() {
    let world = lived().await;
    assert_eq!(world.index().unwrap().size, 1, "written when it began");
    assert_eq!(again(&world).await, 1);
    let indexed = world.index().unwrap();
    let entries = 1 + 6 * 6 + 2 * 3 + 2 * 3;
    assert_eq!((indexed.size, indexed.open, indexed.ended), (entries, 2, 8));
    assert_eq!(indexed.commit.to_string(), world.before(0));
    assert_eq!(again(&world).await, entries);
    let lines = fs::read_to_string(world.cases()).unwrap();
    let ledger = world.open("one").await;
    let [nine, ten] = [9, 10].map(|n| Story::new(n, Tier::Medium).all().split_off(3));
    ledger.append(nine).await.unwrap();
    ledger.append(ten).await.unwrap();
    ledger.close().await;
    assert_eq!(again(&world).await, entries);
    assert_eq!(world.index().unwrap().ended, 10);
    let longer = fs::read_to_string(world.cases()).unwrap();
    assert!(longer.starts_with(&lines), "lines are only ever appended");
    for file in [world.image(), world.cases()] {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{}", file.display());
    }
}

#[tokio::test]
async fn a_long_run_writes_it_down_now_and_then() {
    let world = World::new();
    let ledger = world.open("one").await;
    for group in 0..5 {
        let drafts = (group * 1_000..(group + 1) * 1_000).map(|n| Story::new(n, Tier::Low).received());
        ledger.append(drafts.collect()).await.unwrap();
    }
    let written = world.index().unwrap();
    assert_eq!((written.size, written.open), (5_001, 5_000));
    folded(&world, &ledger).await;
}

#[tokio::test]
async fn i18_what_was_changed_torn_or_is_missing_is_made_again() {
    let world = lived().await;
    again(&world).await;
    let entries = world.index().unwrap().size;
    let (image, cases) = (fs::read(world.image()).unwrap(), fs::read(world.cases()).unwrap());
    let line = cases.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let text = String::from_utf8(cases.clone()).unwrap();
    let swapped = text.replacen("\"executed\"", "\"denied\"", 1).into_bytes();
    let twice = [&cases[..line], &cases[..]].concat();
    let zeros = vec![0; image.len()];
    let mut flipped = image.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let wrong: [(&[u8], &[u8]); 9] = [
        (&flipped, &cases),
        (&image[..image.len() / 2], &cases),
        (&image[65..], &cases),
        (b"", &cases),
        (&zeros, &cases),
        (&image, &swapped),
        (&image, &cases[line..]),
        (&image, &cases[..cases.len() - 7]),
        (&image, &twice),
    ];
    for (image, cases) in wrong {
        fs::write(world.image(), image).unwrap();
        fs::write(world.cases(), cases).unwrap();
        let said = world.index().unwrap_err().to_string();
        assert!(said.contains("is not believed: "), "{said}");
        assert_eq!(again(&world).await, 0, "{said}");
        assert_eq!(world.index().unwrap().size, entries);
    }
    // A line that was being appended is cut off.
    let torn = [&cases[..], b"{\"slot\":8,\"id\":\"01"].concat();
    fs::write(world.cases(), &torn).unwrap();
    assert_eq!(again(&world).await, entries);
    for gone in [
        vec![world.image()],
        vec![world.cases()],
        vec![world.image(), world.cases()],
    ] {
        gone.iter().for_each(|file| fs::remove_file(file).unwrap());
        assert_eq!(again(&world).await, 0);
        assert_eq!(world.index().unwrap().size, entries);
    }
}

#[tokio::test]
async fn i18_another_key_s_or_ledger_s_is_not_believed() {
    let world = lived().await;
    again(&world).await;
    let entries = world.index().unwrap().size;
    let dir = world.root.path().join("one");
    let stranger = Signer::from_seed([99; 32]).unwrap();
    let said = index_of(&dir, world.begun.genesis, (Role::Gate, &stranger))
        .unwrap_err()
        .to_string();
    assert!(said.contains("made with another key"), "{said}");
    let said = index_of(&dir, Digest::of(b"other"), (Role::Gate, world.key(Role::Gate))).unwrap_err();
    assert!(said.to_string().contains("begins with"), "{said}");
    // Somebody puts another ledger's there, of the same keys: this one is folded.
    let other = World::new();
    let story = Story::new(77, Tier::Medium);
    let ledger = other.open("one").await;
    ledger.append(story.all()).await.unwrap();
    ledger.close().await;
    again(&other).await;
    assert_eq!(world.begun.genesis, other.begun.genesis, "the same first entry");
    fs::copy(other.image(), world.image()).unwrap();
    fs::copy(other.cases(), world.cases()).unwrap();
    assert_eq!(again(&world).await, 0, "its commit is no ancestor");
    assert_eq!(world.index().unwrap().size, entries);
    // Whoever has no key folds.
    let mut options = world.options("one");
    options.signers.clear();
    let reader = Ledger::open(options).await.unwrap();
    assert_eq!(reader.indexed(), 0);
    folded(&world, &reader).await;
    reader.close().await;
    let mut options = world.options("one");
    options.signers = vec![(Role::Executor, Arc::new(Signer::from_seed([2; 32]).unwrap()))];
    if let Ok(executor) = Ledger::open(options).await {
        assert_eq!(executor.indexed(), 0, "sealed with the gate's key");
    }
}

#[tokio::test]
async fn i18_an_old_index_is_gone_on_from_and_one_of_a_longer_ledger_is_refused() {
    let world = lived().await;
    again(&world).await;
    let old = (fs::read(world.image()).unwrap(), fs::read(world.cases()).unwrap());
    let (entries, newest) = (world.index().unwrap().size, world.before(0));
    let ledger = world.open("one").await;
    ledger.append(Story::new(50, Tier::Medium).all()).await.unwrap();
    ledger.close().await;
    again(&world).await;
    fs::write(world.image(), &old.0).unwrap();
    fs::write(world.cases(), &old.1).unwrap();
    assert_eq!(
        again(&world).await,
        entries,
        "an older one of ours is as true as it was"
    );
    assert_eq!(world.index().unwrap().size, entries + 6);
    // The remote is put back: what is kept of its head decides, and the index does not help.
    world.put(&newest);
    let refused = Ledger::open(world.options("one")).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Rewritten { .. }), "{refused}");
    fs::remove_file(world.root.path().join("one/ledger-head.json")).unwrap();
    assert_eq!(
        again(&world).await,
        0,
        "a person looked into it and removed the head"
    );
    assert_eq!(world.index().unwrap().size, entries);
}

#[tokio::test]
async fn i28_what_is_no_part_of_the_record_is_found_at_every_start() {
    let world = lived().await;
    again(&world).await;
    let entries = world.index().unwrap().size;
    let who = ["-c", "user.name=m", "-c", "user.email=m@example.com"];
    let stray = [
        "commit-tree",
        "ledger^{tree}",
        "-p",
        "ledger",
        "-m",
        "approved: everything",
    ];
    let stray = world.git(&[&who[..], &stray].concat());
    world.put(stray.trim());
    for _ in 0..2 {
        let ledger = world.open("one").await;
        assert_eq!((ledger.indexed(), ledger.findings().len()), (entries, 1));
        ledger
            .append(Story::new(60, Tier::Medium).all())
            .await
            .unwrap_or_default();
        ledger.close().await;
    }
    assert_eq!(
        world.index().unwrap().size,
        entries,
        "not beyond what is to be told"
    );
    let refused = world.rebuild().unwrap_err();
    assert!(matches!(refused, RebuildError::Findings(1)), "{refused}");
    let ledger = world.open("one").await;
    assert_eq!((ledger.indexed(), ledger.findings().len()), (0, 1));
}

#[tokio::test]
async fn rebuilding_needs_git_alone() {
    let world = lived().await;
    again(&world).await;
    let before = world.index().unwrap();
    for file in [world.image(), world.cases()] {
        fs::write(file, "nonsense\n").unwrap();
    }
    fs::rename(world.remote(), world.root.path().join("away.git")).unwrap();
    assert_eq!(world.rebuild().unwrap(), before);
    let error = world.rebuild_as(Digest::of(b"other")).unwrap_err();
    assert!(
        matches!(error, RebuildError::Ledger(LedgerError::Genesis(_))),
        "{error}"
    );
    // A head that was seen and is not in the copy: it was put back behind our backs.
    let kept = world.root.path().join("one/ledger-head.json");
    let head = fs::read_to_string(&kept).unwrap();
    let other = Sha::from_bytes([9; 20]).to_string();
    fs::write(&kept, head.replace(&before.commit.to_string(), &other)).unwrap();
    let error = world.rebuild().unwrap_err();
    assert!(
        matches!(error, RebuildError::Ledger(LedgerError::Rewritten { .. })),
        "{error}"
    );
    let nowhere = rebuild_index(
        &world.root.path().join("nowhere"),
        &branch(),
        world.begun.genesis,
        (Role::Gate, world.key(Role::Gate)),
        |_, _| {},
    );
    assert!(matches!(nowhere.unwrap_err(), RebuildError::NoCopy(_)));
}

#[tokio::test]
async fn i18_what_was_shown_is_on_the_ledger_or_it_is_another() {
    let world = lived().await;
    let short = world.begun.genesis.short();
    let extent = |size: u64, head: Digest| format!("{short}:{size}:{head}").parse().unwrap();
    // The digest of every entry, in order.
    let log = world.git(&["log", "--reverse", "--format=%B", "ledger"]);
    let lines = log.lines().filter(|line| line.starts_with('{'));
    let digests: Vec<Digest> = lines.map(|line| Digest::of(line.as_bytes())).collect();
    let ledger = world.open("one").await;
    for (digest, size) in digests.iter().zip(1..) {
        for _ in 0..2 {
            assert!(ledger.holds(&extent(size, *digest)).await.unwrap(), "{size}");
        }
        assert!(
            !ledger.holds(&extent(size, Digest::of(b"other"))).await.unwrap(),
            "{size}"
        );
        assert!(!ledger.holds(&extent(size + 1, *digest)).await.unwrap(), "{size}");
    }
    let beyond = extent(u64::MAX, digests[0]);
    assert!(!ledger.holds(&beyond).await.unwrap());
    // What another writer recorded and showed is fetched before anybody is accused.
    let other = world.open("two").await;
    let recorded = other.append(Story::new(70, Tier::Medium).all()).await.unwrap();
    let newest = extent(other.read(|book| book.size()), recorded.last().unwrap().digest());
    assert!(ledger.holds(&newest).await.unwrap());
    // A directory without memory is told before it trusts the ledger, and remembers nothing of one that it refuses.
    world.put(&world.before(3));
    let mut options = world.options("three");
    options.shown = vec![extent(1, digests[0]), newest];
    for _ in 0..2 {
        let refused = Ledger::open(options.clone()).await.unwrap_err();
        assert!(matches!(refused, LedgerError::Contradicted { .. }), "{refused}");
        let dir = fs::read_dir(&options.dir).unwrap();
        let names: Vec<String> = dir
            .map(|one| one.unwrap().file_name().into_string().unwrap())
            .collect();
        let kept = |name: &String| name.ends_with(".json") || name.ends_with(".jsonl");
        assert!(!names.iter().any(kept), "{names:?}");
    }
}
