//! Lists of blocks: the XML that makes a blob of blocks ("Put Block List").

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::refusal::Refusal;

/// Most blocks of a blob.
pub(super) const MAX_BLOCKS: usize = 50_000;
/// Most bytes of a block's id before its encoding.
const MAX_ID: usize = 64;

/// Place in which a block of a list is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Among those that the blob has.
    Committed,
    /// Among those that came since.
    Uncommitted,
    /// Among those that came since, and then among those that the blob has.
    Latest,
}

/// Checks the id of a block: base64 of 1 to 64 bytes.
pub(super) fn check_id(id: &str) -> Result<(), Refusal> {
    match STANDARD.decode(id) {
        Ok(bytes) if (1..=MAX_ID).contains(&bytes.len()) => Ok(()),
        _ => Err(Refusal::bad(
            "InvalidQueryParameterValue",
            "blockid is not the base64 of 1 to 64 bytes; percent-encode it in an address",
        )),
    }
}

/// Reads `<BlockList><Latest>ID</Latest>…</BlockList>`.
pub(super) fn parse(xml: &[u8]) -> Result<Vec<(Source, String)>, Refusal> {
    let malformed = |why: String| Refusal::bad("InvalidXmlDocument", why);
    // Some clients begin with a mark of byte order.
    let text = xml.strip_prefix(b"\xef\xbb\xbf").unwrap_or(xml);
    let text = std::str::from_utf8(text)
        .map_err(|_| malformed("the list of blocks is not UTF-8".into()))?;
    let document = roxmltree::Document::parse(text)
        .map_err(|error| malformed(format!("the list of blocks is not XML: {error}")))?;
    let root = document.root_element();
    if root.tag_name().name() != "BlockList" {
        return Err(malformed("the list of blocks is no BlockList".into()));
    }
    let mut list = Vec::new();
    for element in root.children().filter(roxmltree::Node::is_element) {
        let from = match element.tag_name().name() {
            "Committed" => Source::Committed,
            "Uncommitted" => Source::Uncommitted,
            "Latest" => Source::Latest,
            _ => {
                return Err(malformed(
                    "a list of blocks has Latest, Uncommitted and Committed in it only".into(),
                ));
            }
        };
        let id = element.text().unwrap_or_default().trim();
        check_id(id)?;
        list.push((from, id.to_owned()));
        if list.len() > MAX_BLOCKS {
            return Err(Refusal::bad(
                "BlockListTooLong",
                format!("a blob has {MAX_BLOCKS} blocks at most"),
            ));
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_blocks_is_read_with_its_order_and_sources() {
        let xml = b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<BlockList>\
            <Latest>AAAA</Latest> <Uncommitted>AAAB</Uncommitted>\n<Committed> AAAA </Committed></BlockList>";
        let expected = [
            (Source::Latest, "AAAA"),
            (Source::Uncommitted, "AAAB"),
            (Source::Committed, "AAAA"),
        ];
        let expected = expected.map(|(from, id)| (from, id.to_owned()));
        assert_eq!(
            parse(xml).map_err(|refusal| refusal.code),
            Ok(expected.to_vec())
        );
        assert_eq!(
            parse(b"<BlockList/>").map_err(|refusal| refusal.code),
            Ok(vec![])
        );
    }

    #[test]
    fn a_list_that_is_none_is_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"cc\">]><BlockList><Latest>&b;</Latest></BlockList>";
        let many = format!(
            "<BlockList>{}</BlockList>",
            "<Latest>AAAA</Latest>".repeat(MAX_BLOCKS + 1)
        );
        for (xml, code) in [
            ("", "InvalidXmlDocument"),
            ("<BlockList>", "InvalidXmlDocument"),
            ("<Blocks/>", "InvalidXmlDocument"),
            (
                "<BlockList><Other>AAAA</Other></BlockList>",
                "InvalidXmlDocument",
            ),
            (bomb, "InvalidXmlDocument"),
            (
                "<BlockList><Latest>%</Latest></BlockList>",
                "InvalidQueryParameterValue",
            ),
            (
                "<BlockList><Latest/></BlockList>",
                "InvalidQueryParameterValue",
            ),
            (many.as_str(), "BlockListTooLong"),
        ] {
            let refused = parse(xml.as_bytes()).map_err(|refusal| refusal.code);
            assert_eq!(refused, Err(code), "{}", &xml[..xml.len().min(60)]);
        }
        assert!(parse(b"\xff").is_err());
        let long = STANDARD.encode([0; 65]);
        assert!(check_id(&long).is_err());
        assert!(check_id(&STANDARD.encode([0; 64])).is_ok());
    }
}
