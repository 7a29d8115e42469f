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
use crate::domain::policy::editor::Form;

/// The kinds as arguments.
pub(super) fn forms() -> impl TypedValueParser<Value = Form> {
    PossibleValuesParser::new(Form::ALL.map(Form::as_str)).try_map(|name| {
        let found = Form::ALL.into_iter().find(|form| form.as_str() == name);
        found.ok_or("not a kind of file")
    })
}

pub(super) fn run(kind: Option<Form>, write: Option<&Path>) -> Result<ExitCode, Failure> {
    if let Some(folder) = write {
        for form in Form::ALL {
            let path = folder.join(format!("{form}.json"));
            let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text(form)?));
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
    if let Some(form) = kind {
        let mut out = io::stdout().lock();
        out.write_all(text(form)?.as_bytes())?;
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(form: Form) -> io::Result<String> {
    let mut text = serde_json::to_string_pretty(&form.schema()).map_err(io::Error::from)?;
    text.push('\n');
    Ok(text)
}
