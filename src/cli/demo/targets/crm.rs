//! The demo's CRM: contacts with notes, segments of contacts, and the campaigns that were sent to them.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    once::{Asked, Effect, Once, Reply},
    wire::{Preview, System},
};

const FIRST: &[&str] = &[
    "Maria", "Jonas", "Aisha", "Pavel", "Ines", "Tom", "Leyla", "Henrik", "Sofia", "Marek", "Nora", "Emil",
];
const LAST: &[&str] = &[
    "Jensen", "Weber", "Khan", "Novak", "Costa", "Berger", "Demir", "Lund", "Rossi", "Kowalski", "Fischer",
];
/// The customer who left.
const CLOSED: &str = "C-1007";
const CITIES: &[&str] = &["Hamburg", "Vienna", "Munich", "Graz", "Berlin", "Cologne", "Linz"];

#[derive(Debug, Serialize)]
struct Contact {
    id: String,
    name: String,
    city: &'static str,
    notes: Vec<String>,
    /// Nobody writes on a closed record any more.
    closed: bool,
}

#[derive(Debug, Serialize)]
struct Segment {
    id: &'static str,
    name: &'static str,
    audience: &'static str,
    contacts: usize,
    campaigns: usize,
}

#[derive(Debug, Serialize)]
struct Campaign {
    id: String,
    segment: String,
    subject: String,
    from_name: String,
    sent: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    text: String,
    #[serde(rename = "reference")]
    _reference: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mailing {
    segment: String,
    from_name: String,
    subject: String,
    #[serde(rename = "body")]
    _body: String,
    #[serde(rename = "reference")]
    _reference: Option<String>,
}

#[derive(Debug)]
pub(super) struct Crm {
    contacts: Vec<Contact>,
    segments: Vec<Segment>,
    campaigns: Vec<Campaign>,
    once: Once,
}

impl Crm {
    /// Contacts `C-1001` and on; the same every time.
    pub(super) fn seeded() -> Self {
        let pairs = FIRST
            .iter()
            .cycle()
            .zip(LAST.iter().cycle())
            .zip(CITIES.iter().cycle());
        let contacts = (1001..1001 + 4200)
            .zip(pairs)
            .map(|(number, ((first, last), city))| {
                let id = format!("C-{number}");
                Contact {
                    closed: id == CLOSED,
                    id,
                    name: format!("{first} {last}"),
                    city,
                    notes: Vec::new(),
                }
            });
        let segment = |id, name, audience, contacts| Segment {
            id,
            name,
            audience,
            contacts,
            campaigns: 0,
        };
        Self {
            contacts: contacts.collect(),
            segments: vec![
                segment(
                    "spring-customers",
                    "Spring customers",
                    "customers in Germany and Austria who asked for our newsletter",
                    4200,
                ),
                segment("vip", "Key accounts", "contacts at our 40 largest customers", 40),
            ],
            campaigns: Vec::new(),
            once: Once::default(),
        }
    }

    fn preview(&self, id: &str) -> Preview {
        let segment = self.segments.iter().find(|segment| segment.id == id);
        let segment = segment.ok_or_else(|| Reply::refuse(StatusCode::NOT_FOUND, "no such segment"))?;
        let sample = self.contacts.iter().take(5).map(|contact| {
            let initial: String = contact.name.chars().take(1).collect();
            let agreed = json!([{ "purpose": "newsletter", "until": "2099-12-31T00:00:00Z" }]);
            json!({ "contact": contact.id, "name": format!("{initial}."), "city": contact.city, "consents": agreed })
        });
        let state = |campaigns: usize| json!({ "segment": segment.name, "contacts": segment.contacts, "campaigns_received": campaigns });
        let answer = json!({
            "count": segment.contacts,
            "audience": segment.audience,
            "before": state(segment.campaigns),
            "after": state(segment.campaigns + 1),
            "deltas": { "e-mails sent": segment.contacts },
            "sample": sample.collect::<Vec<_>>(),
        });
        Ok((answer, format!("{id}-{}-{}", segment.contacts, segment.campaigns)))
    }

    fn note(&mut self, id: &str, asked: &Asked) -> Reply {
        let note: Note = match serde_json::from_value(asked.body.clone()) {
            Ok(note) => note,
            Err(error) => return Reply::refuse(StatusCode::BAD_REQUEST, error.to_string()),
        };
        let Some(contact) = self.contacts.iter_mut().find(|contact| contact.id == id) else {
            return Reply::refuse(StatusCode::NOT_FOUND, "no such contact");
        };
        self.once.act(asked, || {
            if contact.closed {
                return Err(Reply::refuse(StatusCode::GONE, "the record is closed"));
            }
            contact.notes.push(note.text);
            Ok((
                json!({ "contact": contact.id, "notes": contact.notes.len() }),
                format!("note on {}, {}", contact.name, contact.id),
            ))
        })
    }

    fn send(&mut self, asked: &Asked) -> Reply {
        let mailing: Mailing = match serde_json::from_value(asked.body.clone()) {
            Ok(mailing) => mailing,
            Err(error) => return Reply::refuse(StatusCode::BAD_REQUEST, error.to_string()),
        };
        let Some(segment) = self
            .segments
            .iter_mut()
            .find(|segment| segment.id == mailing.segment)
        else {
            return Reply::refuse(StatusCode::NOT_FOUND, "no such segment");
        };
        let campaigns = &mut self.campaigns;
        self.once.act(asked, || {
            segment.campaigns += 1;
            let id = format!("M-{:03}", campaigns.len() + 1);
            let what = format!("\"{}\" sent to {} contacts", mailing.subject, segment.contacts);
            campaigns.push(Campaign {
                id: id.clone(),
                segment: mailing.segment,
                subject: mailing.subject,
                from_name: mailing.from_name,
                sent: segment.contacts,
            });
            Ok((json!({ "campaign": id, "sent": segment.contacts }), what))
        })
    }

    fn closed(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.iter().filter(|contact| contact.closed)
    }

    fn noted(&self) -> impl Iterator<Item = (&Contact, &String)> {
        self.contacts
            .iter()
            .flat_map(|contact| contact.notes.iter().map(move |note| (contact, note)))
    }
}

impl System for Crm {
    fn read(&self, path: &[&str], _: &[(String, String)]) -> Preview {
        match path {
            ["segments", id] => self.preview(id),
            _ => Err(Reply::refuse(StatusCode::NOT_FOUND, "no such page")),
        }
    }

    fn act(&mut self, path: &[&str], asked: &Asked) -> Reply {
        match path {
            ["contacts", id, "notes"] => self.note(id, asked),
            ["campaigns"] => self.send(asked),
            _ => Reply::refuse(StatusCode::NOT_FOUND, "no such page"),
        }
    }

    fn state(&self) -> Value {
        let notes: Vec<Value> = self
            .noted()
            .map(|(contact, note)| json!({ "contact": contact.id, "text": note }))
            .collect();
        json!({
            "contacts": self.contacts.len(),
            "closed": self.closed().map(|contact| &contact.id).collect::<Vec<_>>(),
            "notes": notes,
            "segments": self.segments,
            "campaigns": self.campaigns,
            "effects": self.once.effects(),
            "asked": self.once.asked(),
        })
    }

    fn page(&self) -> Value {
        let notes = self
            .noted()
            .map(|(contact, note)| json!({ "new": true, "cells": [contact.id, contact.name, note] }));
        let campaigns = self.campaigns.iter().rev().map(|campaign| {
            json!({ "new": true, "cells": [campaign.id, campaign.subject, campaign.segment, campaign.from_name, campaign.sent] })
        });
        let segments = self.segments.iter().map(|segment| {
            json!({ "new": false, "cells": [segment.name, segment.audience, segment.contacts, segment.campaigns] })
        });
        let closed = self
            .closed()
            .map(|contact| json!({ "new": false, "cells": [contact.id, contact.name, contact.city] }));
        let sent: usize = self.campaigns.iter().map(|campaign| campaign.sent).sum();
        json!({
            "title": "CRM",
            "lead": "The demo's customer records. It acts once for one idempotency key, however often it is asked.",
            "figures": [
                { "label": "Contacts", "value": self.contacts.len() },
                { "label": "Notes written", "value": self.noted().count() },
                { "label": "E-mails sent", "value": sent },
                { "label": "Times asked to act", "value": self.once.asked().values().sum::<usize>() },
            ],
            "tables": [
                { "title": "Notes", "columns": ["Contact", "Name", "Note"], "rows": notes.collect::<Vec<_>>(), "empty": "No note yet." },
                { "title": "Campaigns", "columns": ["Campaign", "Subject", "Segment", "From", "E-mails"], "rows": campaigns.collect::<Vec<_>>(), "empty": "No campaign yet." },
                { "title": "Segments", "columns": ["Segment", "Who", "Contacts", "Campaigns"], "rows": segments.collect::<Vec<_>>(), "empty": "No segment." },
                { "title": "Closed records", "columns": ["Contact", "Name", "City"], "rows": closed.collect::<Vec<_>>(), "empty": "No record is closed." },
            ],
        })
    }

    fn effects(&self) -> Vec<Effect> {
        self.once.effects().to_vec()
    }
    fn asked(&self) -> BTreeMap<String, usize> {
        self.once.asked().clone()
    }
}
