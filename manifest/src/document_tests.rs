//! What the compiler takes, and what it says of the rest.

use super::read;
use crate::model::Length;

const SMALL: &str = r#"<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events">
  <instrumentation><events>
    <provider name="P" guid="{00112233-4455-6677-8899-aabbccddeeff}" symbol="S" resourceFileName="f" messageFileName="f">
      <channels><channel chid="C" name="P/C" type="Admin" value="16"/></channels>
      <tasks><task name="T" value="1" message="$(string.T)"/></tasks>
      <keywords><keyword name="K" mask="0x4"/><keyword name="J" mask="0x1"/></keywords>
      <templates><template tid="D">
        <data name="N" inType="win:UInt16"/>
        <data name="B" inType="win:Binary" length="N"/>
      </template></templates>
      <events><event value="7" version="2" channel="C" level="win:Error" task="T" keywords="K J" template="D"/></events>
    </provider>
  </events></instrumentation>
  <localization><resources culture="en-US"><stringTable>
    <string id="T" value="a task"/>
  </stringTable></resources></localization>
</instrumentationManifest>"#;

#[test]
fn names_are_resolved() {
    let provider = read(SMALL).expect("a manifest");
    assert_eq!(
        provider.guid,
        [
            0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff
        ]
    );
    let event = &provider.events[0];
    assert_eq!((event.id, event.version), (7, 2));
    assert_eq!(
        (event.channel, event.task, event.template),
        (Some(0), Some(0), Some(0))
    );
    assert_eq!(event.level.expect("a level").value, 2);
    assert_eq!(event.keywords, [1, 0], "by rising mask");
    assert_eq!(provider.templates[0].fields[1].length, Length::Field(0));
    assert_eq!(provider.channels[0].mask, 1 << 63);
    assert_eq!(provider.tasks[0].message.as_deref(), Some("a task"));
}

/// What is replaced by what, the line of the complaint, and what it must be about.
const BREAKS: &[(&str, &str, u32, &str)] = &[
    ("<channels>", "<maps/><channels>", 4, "<maps>"),
    ("<channels>", "<opcodes/><channels>", 4, "<opcodes>"),
    ("<channels>", "<levels/><channels>", 4, "<levels>"),
    (
        "<channel ",
        "<importChannel chid='S' name='System'/><channel ",
        4,
        "importChannel",
    ),
    ("name=\"P\"", "name=\"P\" controlGuid=\"{}\"", 3, "controlGuid"),
    ("{00112233-", "{00112233_", 3, "GUID"),
    ("value=\"16\"", "value=\"15\"", 4, "15"),
    (
        "value=\"16\"",
        "value=\"16\"><logging/></channel><channel chid='E' name='E' value='16'",
        4,
        "value",
    ),
    ("type=\"Admin\"", "access=\"O:BA\"", 4, "access"),
    (
        "<task name=\"T\"",
        "<task name=\"T\" eventGUID=\"{}\"",
        5,
        "eventGUID",
    ),
    ("$(string.T)", "$(string.U)", 5, "string.U"),
    ("mask=\"0x4\"", "mask=\"0x3\"", 6, "one bit"),
    ("mask=\"0x4\"", "mask=\"0x1000000000000\"", 6, "mask"),
    ("mask=\"0x1\"", "mask=\"0x4\"", 6, "mask"),
    (
        "inType=\"win:UInt16\"",
        "inType=\"win:UInt16\" map=\"M\"",
        8,
        "map",
    ),
    (
        "inType=\"win:UInt16\"",
        "inType=\"win:UInt16\" outType=\"win:PID\"",
        8,
        "outType",
    ),
    (
        "inType=\"win:UInt16\"",
        "inType=\"win:UInt16\" count=\"2\"",
        8,
        "count",
    ),
    ("inType=\"win:UInt16\"", "inType=\"win:Odd\"", 8, "win:Odd"),
    ("inType=\"win:UInt16\"", "inType=\"win:UInt64\"", 9, "count"),
    (" length=\"N\"", "", 9, "length"),
    ("length=\"N\"", "length=\"M\"", 9, "`M`"),
    ("inType=\"win:Binary\"", "inType=\"win:SID\"", 9, "length"),
    ("name=\"B\"", "name=\"N\"", 9, "`N`"),
    ("</template>", "<UserData/></template>", 10, "UserData"),
    (
        "<template tid=\"D\">",
        "<template tid=\"E\"><data name='E' inType='win:GUID'/></template><template tid=\"D\">",
        7,
        "`E`",
    ),
    ("channel=\"C\"", "channel=\"X\"", 11, "`X`"),
    ("win:Error", "win:Loud", 11, "win:Loud"),
    ("keywords=\"K J\"", "keywords=\"K L\"", 11, "`L`"),
    ("level=", "opcode=\"win:Start\" level=", 11, "opcode"),
    (
        "<event ",
        "<event value='7' version='2' template='D'/><event ",
        11,
        "already",
    ),
    ("value=\"7\"", "value=\"70000\"", 11, "70000"),
    ("<events><event", "<events>text<event", 11, "text"),
    ("en-US", "de-DE", 14, "de-DE"),
    ("<string id", "<string id='U' value='u'/><string id", 15, "`U`"),
    ("</instrumentation>", "</instrumentations>", 13, "XML"),
    (
        "2004/08/events\"",
        "2004/09/events\"",
        1,
        "instrumentationManifest",
    ),
];

#[test]
fn what_is_not_supported_is_an_error_that_says_where() {
    for (from, to, line, about) in BREAKS {
        let broken = SMALL.replacen(from, to, 1);
        assert_ne!(broken, SMALL, "{from}");
        let error = read(&broken).expect_err(to);
        assert!(error.to_string().contains(about), "{to}: {error}");
        assert_eq!(error.line, *line, "{to}: {error}");
    }
}
