# Bytes a second over threads that read parts of a file
# Draws 15-partitions-bare.svg, 15-partitions-bare-narrow.svg and 15-partitions-bare.png from 15-partitions-bare.csv in this directory:
#   gnuplot 15-partitions-bare.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "15-partitions-bare.csv"
# Three digits and never an exponent: 12.3k, 425M, 3.59G.
told(value, unit) = sprintf(value >= 99.95 ? "%.0f%s" : "%.3g%s", value, unit)
shown(value) = value >= 999.5e6 ? told(value / 1e9, "G") : value >= 999.5e3 ? told(value / 1e6, "M") : \
  value >= 9999.5 ? told(value / 1e3, "k") : told(value, "")
# The value of a column where panel, series and kind fit, else nothing.
pick(panel, series, kind, place) = \
  (strcol(1) eq panel && strcol(2) eq series && strcol(3) eq kind) ? column(place) : NaN
# Over a bar, in two digits where bars are many.
over(value) = 0 && value < 9999.5 ? sprintf(value >= 9.95 ? "%.0f" : "%.2g", value) : shown(value)
hover(label) = sprintf("%s, %s: %s [%s, %s], n = %d", \
  label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
do for [output in "svg narrow png"] {
  narrow = output eq "narrow"
  # A narrow page has no room for the runs of many places, or the values of many bars.
  dotting = narrow && 4 > 16 ? 1000000 : 1
  crowded = narrow && 1
  if (output eq "svg") {
    set terminal svg size 960,516 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "15-partitions-bare.svg"
  }
  if (narrow) {
    set terminal svg size 400,473 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "15-partitions-bare-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,516 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "15-partitions-bare.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "Bytes a second over threads that read parts of a file" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; bands: bootstrap 95 %; dots: runs · standard profile · 20261126T001627Z-64a9023" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "Bytes a second over threads that read\nparts of a file" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261126T001627Z-64a9023" font ",10" offset 0,-3.3000000000000003
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.229333 absolute
  set logscale x
  set xrange [0.714286:22.4]
  set xtics ("1" 1, "2" 2, "4" 4, "16" 16) font ",14"
  if (narrow) { set xtics ("1" 1, "2" 2, "4" 4, "16" 16) font ",12" }
  unset logscale y
  set ytics ("0" 0, "5000" 5000, "10k" 10000, "15k" 15000, "20k" 20000)
  if (narrow) { set ytics ("0" 0, "5000" 5000, "10k" 10000, "15k" 15000, "20k" 20000) }
  set yrange [0:23880.7525]
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.325581; set tmargin at screen 0.780127 } else { set lmargin at screen 0.092083; set rmargin at screen 0.98125; set bmargin at screen 0.232558; set tmargin at screen 0.872093 }
  unset arrow
  unset title
  set xlabel "threads" offset 0,screen (narrow ? 0 : 0)
  set ylabel "MB/s" offset 0,0
  plot data skip 1 using (pick("", "1", "median", 4) * 0.967276):7:8 with filledcurves lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "4", "median", 4) * 1):7:8 with filledcurves lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "64", "median", 4) * 1.033831):7:8 with filledcurves lc rgb "#009E73" notitle, \
    data skip dotting using (pick("", "1", "raw", 4) * 0.967276):6 with points pt 7 ps 0.28 lc rgb "#700072B2" notitle, \
    data skip dotting using (pick("", "4", "raw", 4) * 1):6 with points pt 7 ps 0.28 lc rgb "#70D55E00" notitle, \
    data skip dotting using (pick("", "64", "raw", 4) * 1.033831):6 with points pt 7 ps 0.28 lc rgb "#70009E73" notitle, \
    data skip 1 using (pick("", "1", "median", 4) * 0.967276):6 with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "4", "median", 4) * 1):6 with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "64", "median", 4) * 1.033831):6 with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("", "1", "claim", 4)):6 with lines lw 2 dt (4,4) lc rgb "#000000" notitle, \
    data skip 1 using (pick("", "4", "claim", 4)):6 with lines lw 2 dt (4,4) lc rgb "#000000" notitle, \
    data skip 1 using (pick("", "64", "claim", 4)):6 with lines lw 2 dt (4,4) lc rgb "#000000" notitle, \
    data skip 1 using (pick("", "1", "median", 4) * 0.967276):6:(hover("1 partition")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("", "4", "median", 4) * 1):6:(hover("4 partitions")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("", "64", "median", 4) * 1.033831):6:(hover("64 partitions")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle
  unset label; unset arrow; unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid
  unset logscale
  set lmargin at screen 0.02; set rmargin at screen 0.98; set bmargin at screen 0.005
  set tmargin at screen (narrow ? 0.20296 : 0.120155)
  set key at screen 0.5, screen 0.012 center bottom Left reverse horizontal maxcols 2 samplen 2.4 spacing 1.1 font ",12"
  if (narrow) { set key at screen 0.02, screen 0.012 left bottom Left reverse vertical maxcols 1 maxrows 4 spacing 1 }
  plot [0:1] [0:1] -1 notitle, \
    keyentry with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" title "1 partition", \
    keyentry with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" title "4 partitions", \
    keyentry with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" title "64 partitions", \
    keyentry with lines lw 2 dt (4,4) lc rgb "#000000" title "ideal: one's rate for each that can work"
  unset multiplot
  unset output
}
