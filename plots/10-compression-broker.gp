# Through the broker: payload bytes over bytes in the log
# Draws 10-compression-broker.svg, 10-compression-broker-narrow.svg and 10-compression-broker.png from 10-compression-broker.csv in this directory:
#   gnuplot 10-compression-broker.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "10-compression-broker.csv"
# Three digits and never an exponent: 12.3k, 425M, 3.59G.
told(value, unit) = sprintf(value >= 99.95 ? "%.0f%s" : "%.3g%s", value, unit)
shown(value) = value >= 999.5e6 ? told(value / 1e9, "G") : value >= 999.5e3 ? told(value / 1e6, "M") : \
  value >= 9999.5 ? told(value / 1e3, "k") : told(value, "")
# The value of a column where panel, series and kind fit, else nothing.
pick(panel, series, kind, place) = \
  (strcol(1) eq panel && strcol(2) eq series && strcol(3) eq kind) ? column(place) : NaN
# Over a bar, in two digits where bars are many.
over(value) = 1 && value < 9999.5 ? sprintf(value >= 9.95 ? "%.0f" : "%.2g", value) : shown(value)
hover(label) = sprintf("%s, %s: %s [%s, %s], n = %d", \
  label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
do for [output in "svg narrow png"] {
  narrow = output eq "narrow"
  # A narrow page has no room for the runs of many places, or the values of many bars.
  dotting = narrow && 4 > 16 ? 1000000 : 1
  crowded = narrow && 1
  if (output eq "svg") {
    set terminal svg size 960,542 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "10-compression-broker.svg"
  }
  if (narrow) {
    set terminal svg size 400,1097 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "10-compression-broker-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,542 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "10-compression-broker.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "Through the broker: payload bytes over bytes in the log" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; bands: bootstrap 95 %; dots: runs · standard profile · 20261126T000428Z-64a9023" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "Through the broker: payload bytes over\nbytes in the log" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261126T000428Z-64a9023" font ",10" offset 0,-3.3000000000000003
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.172 absolute
  set logscale x
  set xrange [0.714286:1400]
  set xtics ("1" 1, "10" 10, "100" 100, "1000" 1000) font ",14"
  if (narrow) { set xtics ("1" 1, "10" 10, "100" 100, "1000" 1000) font ",12" }
  unset logscale y
  set ytics ("0" 0, "1" 1, "2" 2, "3" 3, "4" 4, "5" 5, "6" 6)
  if (narrow) { set ytics ("0" 0, "2" 2, "4" 4, "6" 6) }
  set yrange [0:6.227286]
  if (narrow) { set lmargin at screen 0.1565; set rmargin at screen 0.955; set bmargin at screen 0.685506; set tmargin at screen 0.881495 } else { set lmargin at screen 0.065208; set rmargin at screen 0.355278; set bmargin at screen 0.221402; set tmargin at screen 0.830258 }
  unset arrow
  set title "json" font ",14" offset 0,-0.4
  set xlabel "messages in a batch (1: each alone)" offset 0,screen (narrow ? 0 : 0)
  set ylabel "payload bytes / stored bytes" offset 0,0
  if (narrow) { unset xlabel }
  set arrow from graph 0, first 1 to graph 1, first 1 nohead lc rgb "#666666" dt (10,6) lw 1.4 back
  set label 20 "no gain" at graph 0.99, first 1 right offset 0,0.6 font ",11" tc rgb "#444444" front
  plot data skip 1 using (pick("json", "gzip", "median", 4) * 0.88308):7:8 with filledcurves lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("json", "snappy", "median", 4) * 0.959401):7:8 with filledcurves lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("json", "lz4", "median", 4) * 1.042317):7:8 with filledcurves lc rgb "#009E73" notitle, \
    data skip 1 using (pick("json", "zstd", "median", 4) * 1.1324):7:8 with filledcurves lc rgb "#CC79A7" notitle, \
    data skip dotting using (pick("json", "gzip", "raw", 4) * 0.88308):6 with points pt 7 ps 0.28 lc rgb "#700072B2" notitle, \
    data skip dotting using (pick("json", "snappy", "raw", 4) * 0.959401):6 with points pt 7 ps 0.28 lc rgb "#70D55E00" notitle, \
    data skip dotting using (pick("json", "lz4", "raw", 4) * 1.042317):6 with points pt 7 ps 0.28 lc rgb "#70009E73" notitle, \
    data skip dotting using (pick("json", "zstd", "raw", 4) * 1.1324):6 with points pt 7 ps 0.28 lc rgb "#70CC79A7" notitle, \
    data skip 1 using (pick("json", "gzip", "median", 4) * 0.88308):6 with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("json", "snappy", "median", 4) * 0.959401):6 with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("json", "lz4", "median", 4) * 1.042317):6 with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("json", "zstd", "median", 4) * 1.1324):6 with linespoints lw 2.2 pt 11 ps 0.75 lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("json", "gzip", "median", 4) * 0.88308):6:(hover("gzip")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("json", "snappy", "median", 4) * 0.959401):6:(hover("snappy")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("json", "lz4", "median", 4) * 1.042317):6:(hover("lz4")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("json", "zstd", "median", 4) * 1.1324):6:(hover("zstd")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle
  if (narrow) { set lmargin at screen 0.1565; set rmargin at screen 0.955; set bmargin at screen 0.412944; set tmargin at screen 0.608933 } else { set lmargin at screen 0.378194; set rmargin at screen 0.668264; set bmargin at screen 0.221402; set tmargin at screen 0.830258 }
  unset arrow
  set title "access-log" font ",14" offset 0,-0.4
  set xlabel "messages in a batch (1: each alone)" offset 0,screen (narrow ? 0 : 0)
  set ylabel "payload bytes / stored bytes" offset 0,0
  if (narrow) { unset xlabel }
  unset label
  if (!narrow) { unset ylabel; set ytics ("" 0, "" 1, "" 2, "" 3, "" 4, "" 5, "" 6) }
  set arrow from graph 0, first 1 to graph 1, first 1 nohead lc rgb "#666666" dt (10,6) lw 1.4 back
  set label 20 "no gain" at graph 0.99, first 1 right offset 0,0.6 font ",11" tc rgb "#444444" front
  plot data skip 1 using (pick("access-log", "gzip", "median", 4) * 0.88308):7:8 with filledcurves lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("access-log", "snappy", "median", 4) * 0.959401):7:8 with filledcurves lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("access-log", "lz4", "median", 4) * 1.042317):7:8 with filledcurves lc rgb "#009E73" notitle, \
    data skip 1 using (pick("access-log", "zstd", "median", 4) * 1.1324):7:8 with filledcurves lc rgb "#CC79A7" notitle, \
    data skip dotting using (pick("access-log", "gzip", "raw", 4) * 0.88308):6 with points pt 7 ps 0.28 lc rgb "#700072B2" notitle, \
    data skip dotting using (pick("access-log", "snappy", "raw", 4) * 0.959401):6 with points pt 7 ps 0.28 lc rgb "#70D55E00" notitle, \
    data skip dotting using (pick("access-log", "lz4", "raw", 4) * 1.042317):6 with points pt 7 ps 0.28 lc rgb "#70009E73" notitle, \
    data skip dotting using (pick("access-log", "zstd", "raw", 4) * 1.1324):6 with points pt 7 ps 0.28 lc rgb "#70CC79A7" notitle, \
    data skip 1 using (pick("access-log", "gzip", "median", 4) * 0.88308):6 with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("access-log", "snappy", "median", 4) * 0.959401):6 with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("access-log", "lz4", "median", 4) * 1.042317):6 with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("access-log", "zstd", "median", 4) * 1.1324):6 with linespoints lw 2.2 pt 11 ps 0.75 lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("access-log", "gzip", "median", 4) * 0.88308):6:(hover("gzip")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("access-log", "snappy", "median", 4) * 0.959401):6:(hover("snappy")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("access-log", "lz4", "median", 4) * 1.042317):6:(hover("lz4")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("access-log", "zstd", "median", 4) * 1.1324):6:(hover("zstd")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle
  if (narrow) { set lmargin at screen 0.1565; set rmargin at screen 0.955; set bmargin at screen 0.140383; set tmargin at screen 0.336372 } else { set lmargin at screen 0.691181; set rmargin at screen 0.98125; set bmargin at screen 0.221402; set tmargin at screen 0.830258 }
  unset arrow
  set title "random" font ",14" offset 0,-0.4
  set xlabel "messages in a batch (1: each alone)" offset 0,screen (narrow ? 0 : 0)
  set ylabel "payload bytes / stored bytes" offset 0,0
  unset label
  if (!narrow) { unset ylabel; set ytics ("" 0, "" 1, "" 2, "" 3, "" 4, "" 5, "" 6) }
  set arrow from graph 0, first 1 to graph 1, first 1 nohead lc rgb "#666666" dt (10,6) lw 1.4 back
  set label 20 "no gain" at graph 0.99, first 1 right offset 0,0.6 font ",11" tc rgb "#444444" front
  plot data skip 1 using (pick("random", "gzip", "median", 4) * 0.88308):7:8 with filledcurves lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("random", "snappy", "median", 4) * 0.959401):7:8 with filledcurves lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("random", "lz4", "median", 4) * 1.042317):7:8 with filledcurves lc rgb "#009E73" notitle, \
    data skip 1 using (pick("random", "zstd", "median", 4) * 1.1324):7:8 with filledcurves lc rgb "#CC79A7" notitle, \
    data skip dotting using (pick("random", "gzip", "raw", 4) * 0.88308):6 with points pt 7 ps 0.28 lc rgb "#700072B2" notitle, \
    data skip dotting using (pick("random", "snappy", "raw", 4) * 0.959401):6 with points pt 7 ps 0.28 lc rgb "#70D55E00" notitle, \
    data skip dotting using (pick("random", "lz4", "raw", 4) * 1.042317):6 with points pt 7 ps 0.28 lc rgb "#70009E73" notitle, \
    data skip dotting using (pick("random", "zstd", "raw", 4) * 1.1324):6 with points pt 7 ps 0.28 lc rgb "#70CC79A7" notitle, \
    data skip 1 using (pick("random", "gzip", "median", 4) * 0.88308):6 with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("random", "snappy", "median", 4) * 0.959401):6 with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("random", "lz4", "median", 4) * 1.042317):6 with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("random", "zstd", "median", 4) * 1.1324):6 with linespoints lw 2.2 pt 11 ps 0.75 lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("random", "gzip", "median", 4) * 0.88308):6:(hover("gzip")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("random", "snappy", "median", 4) * 0.959401):6:(hover("snappy")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("random", "lz4", "median", 4) * 1.042317):6:(hover("lz4")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("random", "zstd", "median", 4) * 1.1324):6:(hover("zstd")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle
  unset label; unset arrow; unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid
  unset logscale
  set lmargin at screen 0.02; set rmargin at screen 0.98; set bmargin at screen 0.005
  set tmargin at screen (narrow ? 0.087511 : 0.114391)
  set key at screen 0.5, screen 0.012 center bottom Left reverse horizontal maxcols 3 samplen 2.4 spacing 1.1 font ",12"
  if (narrow) { set key at screen 0.02, screen 0.012 left bottom Left reverse vertical maxcols 1 maxrows 4 spacing 1 }
  plot [0:1] [0:1] -1 notitle, \
    keyentry with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" title "gzip", \
    keyentry with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" title "snappy", \
    keyentry with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" title "lz4", \
    keyentry with linespoints lw 2.2 pt 11 ps 0.75 lc rgb "#CC79A7" title "zstd"
  unset multiplot
  unset output
}
