import Model
import Testing

@Test("a uuid reads back from its base64url text", arguments: 0..<100 as Range<UInt64>)
func uuidText(seed: UInt64) {
  let id = UUID128(high: seed &* 0x9E37_79B9_7F4A_7C15, low: ~seed &* 0xD134_2543_DE82_EF95)
  #expect(id.description.utf8.count == 22)
  #expect(UUID128(id.description) == id)
}

@Test("topic ids written by Apache Kafka keep their text")
func kafkaUUIDText() {
  #expect(UUID128("whJjRmlaQb-sV8vRqi7mkg")?.description == "whJjRmlaQb-sV8vRqi7mkg")
  #expect(UUID128("F5LOAWr5T7-6FyfsQFB0Lw")?.description == "F5LOAWr5T7-6FyfsQFB0Lw")
  #expect(UUID128("short") == nil)
}

@Test("the hexadecimal form has every digit, zeros in front too")
func uuidHexadecimal() {
  let id = UUID128(high: 0x0123_4567_89AB_CDEF, low: 1)
  #expect(id.hexadecimal == "01234567-89ab-cdef-0000-000000000001")
}
