//! `countersign policy schema`: what editors are told of the files.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use miette::miette;

use super::Failure;
use crate::domain::{facts::Facts, policy::editor::Form};

/// What has a schema: the files that people write, and the lines that rules are asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File(Form),
    Facts,
}

impl Kind {
    fn all() -> impl Iterator<Item = Self> {
        Form::ALL.into_iter().map(Self::File).chain([Self::Facts])
    }
    const fn as_str(self) -> &'static str {
        match self {
            Self::File(form) => form.as_str(),
            Self::Facts => "facts",
        }
    }
}

/// The kinds as arguments.
pub(super) fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::all().map(Kind::as_str)).try_map(|name| {
        let found = Kind::all().find(|kind| kind.as_str() == name);
        found.ok_or("not a kind of file")
    })
}

pub(super) fn run(kind: Option<Kind>, write: Option<&Path>) -> Result<ExitCode, Failure> {
    if let Some(folder) = write {
        for kind in Kind::all() {
            let path = folder.join(format!("{}.json", kind.as_str()));
            let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text(kind)?));
            written.map_err(|error| {
                let report = miette!(
                    help = "name a folder that this user may write",
                    "`{}` can't be written: {error}",
                    path.display()
                );
                Failure::Files(vec![report])
            })?;
        }
    }
    if let Some(kind) = kind {
        let mut out = io::stdout().lock();
        out.write_all(text(kind)?.as_bytes())?;
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(kind: Kind) -> io::Result<String> {
    let schema = match kind {
        Kind::File(form) => form.schema(),
        Kind::Facts => Facts::schema(),
    };
    let mut text = serde_json::to_string_pretty(&schema).map_err(io::Error::from)?;
    text.push('\n');
    Ok(text)
}
