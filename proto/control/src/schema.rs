//! What every JSON shape looks like, as JSON Schema (2020-12): published in `proto/control/schema`, and held against what
//! the programs really print.
//!
//! A schema tells what this version writes. Readers ignore fields that they do not know, for later versions add some.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// The schema of a shape, as this version writes it.
pub fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// A moment, in RFC 3339 and UTC.
#[derive(Debug)]
pub struct Moment;

/// A day of the calendar.
#[derive(Debug)]
pub struct Day;

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl JsonSchema for Day {
    fn schema_name() -> Cow<'static, str> {
        "Day".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date" })
    }
}
