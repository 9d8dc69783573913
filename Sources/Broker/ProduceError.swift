package import Model

/// The error of a produced batch that is refused, with the code and the message of the response.
package struct ProduceError: Error, Equatable {
  package var code: ErrorCode
  package var message: String
  /// The records for which the batch is refused; empty when the batch as a whole is at fault.
  package var records: [Record] = []

  package struct Record: Equatable {
    /// The record's place in its batch, from 0.
    package var index: Int32
    package var message: String
  }

  init(_ code: ErrorCode, _ message: String) {
    self.code = code
    self.message = message
  }
}

extension ProduceError {
  init(_ error: RecordBatchError) {
    switch error {
    case .truncated, .badChecksum, .badStreamChecksum: self.init(.corruptMessage, "\(error)")
    case .unsupportedMagic, .inconsistent, .undecodable: self.init(.invalidRecord, "\(error)")
    case .unpacksTooLarge(let limit):
      if limit < Limits.decompressedBatchBytes {
        // The request's other batches have used up its allowance; sent alone, this one may be accepted.
        self.init(.requestTimedOut, "the request's batches unpack to more than \(Limits.unpackedRequestBytes) bytes")
      } else {
        self.init(.invalidRecord, "the batch unpacks to more than \(limit) bytes")
      }
    }
  }

  /// Refuses the batch for the records in `faults`; the first of them decides the code.
  init(_ faults: [RecordFindings.Fault], _ times: ClosedRange<Int64>) {
    if case .timestamp = faults.first {
      self.init(.invalidTimestamp, "One or more records have been rejected due to invalid timestamp")
    } else {
      self.init(.invalidRecord, "One or more records have been rejected")
    }
    records = faults.map { fault in
      switch fault {
      case .keyless(let index):
        Record(index: Int32(index), message: "Compacted topic cannot accept message without key")
      case .timestamp(let index, let timestamp):
        Record(
          index: Int32(index),
          message:
            "Timestamp \(timestamp) is out of range: it should be within [\(times.lowerBound), \(times.upperBound)]")
      }
    }
  }
}
