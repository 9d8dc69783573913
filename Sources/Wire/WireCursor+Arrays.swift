package import Model
import NIOCore

extension WireCursor {
  @inline(never)
  package mutating func field(_ array: inout [Int32]) throws(WireError) { try elements(&array) }
  @inline(never)
  package mutating func field(_ array: inout [Int64]) throws(WireError) { try elements(&array) }

  @inline(never)
  package mutating func field(_ array: inout [Int32]?) throws(WireError) {
    if reading {
      guard let count = try readCount() else {
        array = nil
        return
      }
      array = try readIntegers(count)
    } else if let array {
      writeIntegers(array)
    } else {
      writeNull()
    }
  }

  @inline(never)
  package mutating func field(_ array: inout [Offset]) throws(WireError) {
    if reading {
      guard let count = try readCount() else { throw .unexpectedNull }
      array = try readIntegers(count).map(Offset.init(rawValue:))
    } else {
      writeIntegers(array.map(\.rawValue))
    }
  }

  @inline(never)
  package mutating func field(_ array: inout [String]) throws(WireError) {
    var whole: [String]? = array
    try field(&whole, nullableFrom: .max)
    array = whole ?? []
  }

  /// - Parameter nullableFrom: the first version that has a null; before it nil is written as the empty array.
  @inline(never)
  package mutating func field(_ array: inout [String]?, nullableFrom: Int16 = 0) throws(WireError) {
    if reading {
      array = nil
      guard let count = try readCount() else {
        if version < nullableFrom { throw .unexpectedNull }
        return
      }
      var strings: [String] = []
      strings.reserveCapacity(min(count, WireLimits.elementsReserved))
      for _ in 0..<count {
        guard let length = try readStringLength() else { throw .unexpectedNull }
        strings.append(try readString(length))
      }
      array = strings
    } else if let present = array ?? (version < nullableFrom ? [] : nil) {
      writeLength(present.count)
      for string in present { write(string) }
    } else {
      writeNull()
    }
  }

  package mutating func field<T: WireStruct>(_ value: inout T) throws(WireError) { try value.fields(&self) }

  /// A nullable struct: a byte, negative for null, then its fields.
  package mutating func field<T: WireStruct>(_ value: inout T?) throws(WireError) {
    var marker: Int8 = value == nil ? -1 : 1
    try integer(&marker)
    if reading { value = marker < 0 ? nil : T() }
    try value?.fields(&self)
  }

  package mutating func field<T: WireStruct>(_ array: inout [T]) throws(WireError) {
    if reading {
      guard let count = try readCount() else { throw .unexpectedNull }
      array = try readStructs(count)
    } else {
      try writeStructs(array)
    }
  }

  /// - Parameter nullableFrom: the first version that has a null; before it nil is written as the empty array.
  package mutating func field<T: WireStruct>(_ array: inout [T]?, nullableFrom: Int16 = 0) throws(WireError) {
    if reading {
      array = nil
      guard let count = try readCount() else {
        if version < nullableFrom { throw .unexpectedNull }
        return
      }
      array = try readStructs(count)
    } else if let present = array ?? (version < nullableFrom ? [] : nil) {
      try writeStructs(present)
    } else {
      writeNull()
    }
  }

  private mutating func elements<T: FixedWidthInteger & BitwiseCopyable>(_ array: inout [T]) throws(WireError) {
    if reading {
      guard let count = try readCount() else { throw .unexpectedNull }
      array = try readIntegers(count)
    } else {
      writeIntegers(array)
    }
  }

  private mutating func readIntegers<T: FixedWidthInteger & BitwiseCopyable>(
    _ count: Int
  ) throws(WireError) -> [T] {
    let needed = count * MemoryLayout<T>.size
    guard needed <= left else { throw .truncated(needed: needed, left: left) }
    var values: [T] = []
    values.reserveCapacity(count)
    for _ in 0..<count {
      var value: T = 0
      try integer(&value)
      values.append(value)
    }
    return values
  }

  private mutating func writeIntegers(_ array: [some FixedWidthInteger]) {
    writeLength(array.count)
    for value in array { buffer.writeInteger(value) }
  }

  private mutating func readStructs<T: WireStruct>(_ count: Int) throws(WireError) -> [T] {
    var structs: [T] = []
    structs.reserveCapacity(min(count, WireLimits.elementsReserved))
    for _ in 0..<count {
      var element = T()
      try element.fields(&self)
      structs.append(element)
    }
    return structs
  }

  private mutating func writeStructs(_ array: [some WireStruct]) throws(WireError) {
    writeLength(array.count)
    // A copy of each: mutating through `array[i]` would copy the array, which the message still shares.
    for var element in array { try element.fields(&self) }
  }

  /// Elements take at least a byte each, so a count beyond the bytes left is a lie.
  private mutating func readCount() throws(WireError) -> Int? {
    guard let count = try readLength() else { return nil }
    guard count <= left else { throw .invalidCount(count, left: left) }
    guard count <= elementsLeft else { throw .tooManyElements(limit: WireLimits.requestElements) }
    elementsLeft -= count
    return count
  }
}
