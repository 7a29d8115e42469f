//! A book that was written down is the book that was folded, or it is not believed.

use hmac::Mac as _;
use proptest::prelude::*;

use super::{
    super::super::{
        entry::{Edited, EditedPart, Refusal, Said},
        proposal::RolledBack,
    },
    *,
};

pub(super) const OURS: SnapshotKey = SnapshotKey::new([7; 32]);

fn place() -> Place {
    Place {
        commit: HEAD,
        tree: BASE,
    }
}

/// What stands on the disk.
#[derive(Default)]
pub(super) struct Disk {
    cases: Vec<u8>,
    image: Vec<u8>,
    pub(super) written: WrittenDown,
}

impl Disk {
    pub(super) fn write(&mut self, book: &Book) {
        self.cases.extend(book.lines_of_ended(&mut self.written));
        self.image = book.sealed(place(), &self.written, &OURS).unwrap();
    }

    pub(super) fn read_as(&self, key: &SnapshotKey, genesis: Digest) -> Result<Restored, Unfit> {
        let mut unsealed = Book::unseal(&self.image, key, genesis)?;
        let ours = usize::try_from(unsealed.bytes()).unwrap().min(self.cases.len());
        for line in self.cases[..ours].split_inclusive(|byte| *byte == b'\n') {
            unsealed.line(line)?;
        }
        unsealed.book()
    }

    fn read(&self) -> Result<Restored, Unfit> {
        self.read_as(&OURS, book().genesis_digest())
    }
}

/// A life that ends without a merge, and is merged around the gate afterwards.
fn around(n: u64) -> Vec<Draft> {
    let mut drafts = life(n);
    drafts.truncate(2);
    let proposal = proposal(n);
    let refusal = Refusal {
        sha: Some(MERGE),
        by: None,
        reason: "merged after it was denied".into(),
        because: Vec::new(),
    };
    drafts.push(draft(
        &proposal,
        Role::Gate,
        Event::Denied(Denied { account: None }),
    ));
    drafts.push(draft(&proposal, Role::Gate, Event::Bypassed(refusal)));
    drafts
}

fn written(lives: u64) -> (Book, Disk) {
    let (mut book, mut disk) = (book(), Disk::default());
    (0..lives).for_each(|n| record(&mut book, life(n)));
    record(&mut book, life(lives).drain(..3).collect());
    disk.write(&book);
    (book, disk)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn i18_what_is_read_is_what_was_folded(
        turns in prop::collection::vec((0_u64..24, 1_usize..4, prop::bool::weighted(0.15)), 1..90),
    ) {
        let (mut folded, mut disk) = (book(), Disk::default());
        let mut read = book();
        let mut lives: Vec<Vec<Draft>> = (0..24).map(|n| if n % 5 == 0 { around(n) } else { life(n) }).collect();
        for (n, drafts) in (0..).zip(&mut lives).filter(|(n, _)| n % 3 == 0) {
            drafts.push(erased(&proposal(n), n));
        }
        disk.write(&folded);
        for (n, steps, restarts) in turns {
            let drafts = &mut lives[usize::try_from(n).unwrap()];
            let next: Vec<Draft> = drafts.drain(..steps.min(drafts.len())).collect();
            record(&mut folded, next.clone());
            record(&mut read, next);
            if restarts {
                disk.write(&folded);
                let restored = disk.read().unwrap();
                // What goes on from it goes on as the fold does, and so does what is written next.
                (read, disk.written) = (restored.book, restored.written);
                prop_assert_eq!(restored.at, place());
            }
            prop_assert_eq!(&read, &folded);
        }
    }
}

#[test]
fn what_ended_and_ended_otherwise_later_is_read_as_it_stands() {
    let (mut folded, mut disk) = (book(), Disk::default());
    let mut drafts = around(3);
    let bypassed = drafts.pop().unwrap();
    record(&mut folded, drafts);
    disk.write(&folded);
    record(&mut folded, vec![bypassed]);
    disk.write(&folded);
    assert_eq!(disk.written.lines(), 2);
    let read = disk.read().unwrap().book;
    assert_eq!(read, folded);
    assert_eq!(read.closed(proposal(3).id).unwrap().life, Life::Bypassed);
}

#[test]
fn i29_what_was_erased_long_after_its_end_is_read_so() {
    let (mut folded, mut disk) = (book(), Disk::default());
    (0..300).for_each(|n| record(&mut folded, life(n)));
    disk.write(&folded);
    record(&mut folded, vec![erased(&proposal(3), 9)]);
    disk.write(&folded);
    assert_eq!(disk.written.lines(), 301);
    let read = disk.read().unwrap().book;
    assert_eq!(read, folded);
    assert_eq!(read.closed(proposal(3).id).unwrap().erased, Some(CommentId(9)));
}

#[test]
fn more_than_is_kept_whole_is_read() {
    let (folded, disk) = written(300);
    let read = disk.read().unwrap().book;
    assert_eq!(read, folded);
    assert_eq!(
        (disk.written.lines(), read.recently_ended().count()),
        (300, RECENT)
    );
}

#[test]
fn i08_co_writers_are_read_again_long_after_their_proposal_ended() {
    let (mut folded, mut disk) = (book(), Disk::default());
    let old = proposal(1);
    record(&mut folded, life(1).drain(..2).collect());
    let (new, arrival) = amended(&old, 2);
    let superseded = draft(&old, Role::Gate, Event::Superseded(Superseded { by: new.id }));
    let denied = draft(&new, Role::Gate, Event::Denied(Denied { account: None }));
    record(&mut folded, vec![superseded, arrival, denied]);
    (10..300).for_each(|n| record(&mut folded, life(n)));
    disk.write(&folded);
    let read = disk.read().unwrap().book;
    assert_eq!(read, folded);
    let mut revision: crate::domain::proposal::ProposalParts = proposal(3).into();
    revision.supersedes = Some(new.id);
    let revision = Proposal::new(revision).unwrap();
    assert_eq!(read.co_writers(&revision), [fixture::DAVE].into());
}

/// What dave has taken back, in a batch of which one item ran.
fn taking_back(folded: &Book, old: &Draft, n: u64) -> (Proposal, Draft) {
    let Event::Received(received) = &old.event else {
        panic!("not received")
    };
    let old = &received.proposal;
    let rolled = RolledBack {
        of: old.id,
        by: "dave".parse().unwrap(),
        account: fixture::DAVE,
        comment: CommentId(n),
        ran_at: folded.ended(old.id).unwrap().ran_at.unwrap(),
        binding: old.binding.clone(),
        observed: old.observed.clone(),
    };
    let mut request = fixture::request(
        "campaigns.send",
        "erin",
        serde_json::json!({"segment_id": "s", "subject": "Sorry", "body": "Dear all"}),
    );
    request.nonce = format!("nonce-0123456789-{n}").parse().unwrap();
    let id = ProposalId::from_parts(at(0), u128::from(n));
    let proof = AgentProof::RolledBack(Box::new(rolled));
    let new = fixture::propose_as(id, request, "campaign-agent", &fixture::starter(), proof);
    let mut arrival = super::received(&new);
    arrival.person = Some("dave".parse().unwrap());
    if let Event::Received(received) = &mut arrival.event {
        received.via = Via::Rollback(Said {
            account: fixture::DAVE,
            comment: CommentId(n),
            below: PullNumber(2),
            at: at(1),
            delivery: "d-1".parse().unwrap(),
        });
    }
    (new, arrival)
}

#[test]
fn what_is_taken_back_is_read_again_long_after_and_taken_out_of_the_book_again() {
    let (mut folded, mut disk) = (book(), Disk::default());
    let one = life_without(&["2"], &["2"], &["1"]);
    let (received, old) = (one[0].clone(), one[0].proposal.unwrap());
    record(&mut folded, one);
    let (first, arrival) = taking_back(&folded, &received, 500);
    let before = folded.clone();
    let (_, staged) = folded.stage(arrival.clone(), key()).unwrap();
    assert_eq!(folded.undo(old).unwrap().by, first.id);
    folded.unstage(staged);
    assert_eq!(folded, before);

    record(&mut folded, vec![arrival]);
    assert_eq!(folded.rolls_back(first.id), Some(old));
    let (_, second) = taking_back(&folded, &received, 501);
    let no = folded.admits(&second).unwrap_err();
    assert!(no.to_string().contains("close its pull request first"), "{no}");
    let denied = draft(&first, Role::Gate, Event::Denied(Denied { account: None }));
    record(&mut folded, vec![denied]);
    assert_eq!(folded.admits(&second), Ok(()));

    (10..300).for_each(|n| record(&mut folded, life(n)));
    disk.write(&folded);
    let read = disk.read().unwrap().book;
    assert_eq!(read, folded);
    assert!(read.recent(old).is_none());
    let undo = read.undo(old).unwrap();
    assert_eq!((undo.by, undo.life), (first.id, Life::Denied));
    let ended = read.ended(old).unwrap();
    assert_eq!(ended.not_run, Some(&["2".parse().unwrap()].into()));
    // What is not kept whole any more is taken back all the same, once.
    assert_eq!(read.admits(&second), Ok(()));
    assert_eq!(read.co_writers(&first), [fixture::DAVE].into());
}

#[test]
fn i08_whoever_edited_is_read_again() {
    let (mut folded, mut disk) = (book(), Disk::default());
    record(&mut folded, life(1).drain(..2).collect());
    let edited = Edited {
        account: fixture::DAVE,
        parts: [EditedPart::Title, EditedPart::Body].into(),
        delivery: "d-1".parse().unwrap(),
    };
    let parts = edited.parts.clone();
    record(
        &mut folded,
        vec![draft(&proposal(1), Role::Gate, Event::Edited(edited))],
    );
    disk.write(&folded);
    let read = disk.read().unwrap().book;
    assert_eq!(read, folded);
    assert_eq!(
        read.case(proposal(1).id).unwrap().edited,
        [(fixture::DAVE, parts)].into()
    );
}

#[test]
fn what_was_being_appended_is_cut_off() {
    let (folded, mut disk) = written(5);
    disk.cases.extend(b"{\"slot\":5,\"id\":\"01");
    assert_eq!(disk.read().unwrap().book, folded);
}

#[test]
fn i18_another_key_genesis_or_program_is_not_believed() {
    let (_, disk) = written(5);
    let genesis = book().genesis_digest();
    let other = SnapshotKey::new([8; 32]);
    assert_eq!(disk.read_as(&other, genesis).unwrap_err(), Unfit::Seal);
    let elsewhere = disk.read_as(&OURS, Digest::of(b"another")).unwrap_err();
    assert_eq!(elsewhere, Unfit::Genesis(genesis));
    for (from, to) in [
        ("{\"format\":2", "{\"format\":3"),
        ("\"semantics\":1", "\"semantics\":0"),
        (
            concat!("\"program\":\"", env!("CARGO_PKG_VERSION")),
            "\"program\":\"0.0.0",
        ),
    ] {
        let image = String::from_utf8(disk.image.clone()).unwrap();
        let (_, json) = image.split_once('\n').unwrap();
        assert!(json.contains(from), "{json:.200}");
        let json = json.replacen(from, to, 1);
        // Sealed with the very key, by another program.
        let mac = OURS.mac(json.as_bytes()).unwrap().finalize().into_bytes();
        let seal = Digest::from_bytes(mac.into());
        let resealed = Disk {
            image: format!("{seal}\n{json}").into_bytes(),
            cases: disk.cases.clone(),
            written: WrittenDown::default(),
        };
        assert_eq!(resealed.read().unwrap_err(), Unfit::Version, "{to}");
    }
}

#[test]
fn i18_no_byte_of_it_can_be_changed() {
    let (_, mut disk) = written(3);
    for place in 0..disk.image.len() {
        let was = disk.image[place];
        disk.image[place] ^= 1;
        // The seal's letters have one spelling, so that nothing passes.
        assert!(disk.read().is_err(), "byte {place} of the image");
        disk.image[place] = was;
    }
    for place in 0..disk.cases.len() {
        let was = disk.cases[place];
        disk.cases[place] ^= 1;
        assert_eq!(
            disk.read().unwrap_err(),
            Unfit::Cases,
            "byte {place} of the cases"
        );
        disk.cases[place] = was;
    }
    let all = disk.cases.clone();
    for length in 0..all.len() {
        disk.cases.truncate(length);
        assert_eq!(disk.read().unwrap_err(), Unfit::Cases, "cut off at {length}");
        disk.cases.clone_from(&all);
    }
    let image = disk.image.clone();
    for length in (0..image.len()).step_by(97) {
        disk.image.truncate(length);
        assert_eq!(disk.read().unwrap_err(), Unfit::Seal, "cut off at {length}");
        disk.image.clone_from(&image);
    }
}
